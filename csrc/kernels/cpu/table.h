// Fills the table of one instruction set. Included once by each file that is compiled for a set.
#pragma once

#include "kernels/cpu/by_output.h"
#include "kernels/cpu/lazy.h"
#include "kernels/cpu/losses.h"
#include "kernels/cpu/matrices.h"
#include "kernels/cpu/measure.h"
#include "kernels/cpu/sparse.h"
#include "kernels/cpu/survey.h"
#include "kernels/cpu/td.h"
#include "kernels/cpu/units.h"
#include "kernels/cpu/update.h"
#include "rules/optimizers/list.h"

STREAMDL_BEGIN

// The rule whose kernels a rule shares, with the same formulas and as many fields.
template <class Rule>
struct KernelOf {
  using type = Rule;
};
template <class Rule>
  requires requires { typename Rule::Kernel; }
struct KernelOf<Rule> {
  using type = typename Rule::Kernel;
};

// The modes of a rule. Incoming sums imply outgoing ones, so a quarter of them coincide. Of rules with much work per
// weight there is less to compile: they take whatever costs little always, as do rules with fields on the plain set.
// That changes no bit.
template <class Rule>
constexpr unsigned mode_of(unsigned m) {
  if (m & kIncomingSums) m |= kOutgoingSums;
  if (!Rule::many_modes || (kPlain && Rule::field_count)) m |= kDecay | kOutgoingSums | kPropagate;
  if (Rule::sums.before) m &= ~(unsigned)kPropagate;  // that comes with the pass that measures
  return m;
}

// The same where values are bounded: decay and incoming sums are rare enough for every value to be looked at.
template <class Rule>
constexpr unsigned bounded_mode_of(unsigned m) {
  if (!Rule::many_modes) m |= kOutgoingSums | kPropagate;
  if (Rule::sums.before) m &= ~(unsigned)kPropagate;
  return m | kBounded;
}

template <class Rule>
inline constexpr bool kAlwaysFades = Rule::fading && &Rule::fades == &RuleDefaults::fades;

template <class Rule, class T>
constexpr RuleKernels<T> rule_kernels() {
  RuleKernels<T> k{};
  // clang-format off
#define STREAMDL_MODE(m)                                       \
  k.update[m] = &update<Rule, mode_of<Rule>(m), T>;            \
  k.update_by_output[m] = &update_by_output<Rule, mode_of<Rule>((m) & 7), T>;
  STREAMDL_MODE(0) STREAMDL_MODE(1) STREAMDL_MODE(2) STREAMDL_MODE(3)
  STREAMDL_MODE(4) STREAMDL_MODE(5) STREAMDL_MODE(6) STREAMDL_MODE(7)
  STREAMDL_MODE(8) STREAMDL_MODE(9) STREAMDL_MODE(10) STREAMDL_MODE(11)
  STREAMDL_MODE(12) STREAMDL_MODE(13) STREAMDL_MODE(14) STREAMDL_MODE(15)
#undef STREAMDL_MODE
      // clang-format on
      if constexpr (requires(double* most) { Rule::bound(most, 0.0, most); }) {
    k.bound = &Rule::bound;
#define STREAMDL_BOUNDED(m)                                                                         \
  k.update[(m) | kBounded] = &update<Rule, (kPlain ? mode_of<Rule> : bounded_mode_of<Rule>)(m), T>; \
  k.update_by_output[(m) | kBounded] = &update_by_output<Rule, (kPlain ? mode_of<Rule> : bounded_mode_of<Rule>)(m), T>;
    STREAMDL_BOUNDED(0) STREAMDL_BOUNDED(1) STREAMDL_BOUNDED(4) STREAMDL_BOUNDED(5)
#undef STREAMDL_BOUNDED
  }
  k.update_edges[0] = &update_edges<Rule, (mode_of<Rule>(0) & kDecay) != 0, T>;
  k.update_edges[1] = &update_edges<Rule, true, T>;
  k.update_stored[0] = &update_stored<Rule, mode_of<Rule>(0) != 0, T>;
  k.update_stored[1] = &update_stored<Rule, true, T>;
  if constexpr (!cannot_wait<Rule>()) {
    if constexpr (!kAlwaysFades<Rule>) k.catch_up[0] = &catch_up<Rule, mode_of<Rule>(0) != 0, T>;
    k.catch_up[1] = &catch_up<Rule, true, T>;
  }
  if constexpr (Rule::fading) k.fade = &fade<Rule, T>;
  if constexpr (requires(double* shared) { Rule::begin(shared, shared, 0.0); }) k.begin = &Rule::begin;
  if constexpr (requires(const Conclusion& c) { Rule::conclude(c); }) k.conclude = &Rule::conclude;
  if constexpr (Rule::sums.before) {
    k.measure = &measure<Rule, T>;
    k.measure_by_output = &measure_by_output<Rule, T>;
    k.measure_stored = &measure_stored<Rule, T>;
    k.measure_edges = &measure_edges<Rule, T>;
    if constexpr (kOfUnits<Rule>) k.conclude_units = &conclude_units<Rule, T>;
  }
  return k;
}

template <class T>
const Kernels<T>& table() {
#define STREAMDL_RULE(Rule) rule_kernels<KernelOf<Rule>::type, T>(),
  static constexpr RuleKernels<T> rules[] = {STREAMDL_OPTIMIZERS(STREAMDL_RULE)};
#undef STREAMDL_RULE
#define STREAMDL_VALUE(A, name, gain) &emit<A, T>,
#define STREAMDL_SLOPE(A, name, gain) &activate_back<A, T>,
#define STREAMDL_UTILITY(U, name) &utility<U, T>,
  // clang-format off
  static constexpr Kernels<T> kernels = {
      &all_finite<T>, &largest<T>, &any_negative<T>,
      &forward<T>, &forward_by_output<T>, &backward<T>, &backward_by_output<T>,
      &forward_edges<T>, &backward_edges<T>, &edge_utility<T>, &absolute_sum<T>, &accumulate<T>,
      &look<T>,
      {STREAMDL_ACTIVATIONS(STREAMDL_VALUE)},
      {STREAMDL_ACTIVATIONS(STREAMDL_SLOPE)},
      &normalize<T>, &normalize_back<T>, &affine<T>, &drop<T>, &multiply<T>,
      {&elementwise_loss<SquaredError, T>, &cross_entropy<T>, &elementwise_loss<BinaryCrossEntropy, T>,
       &elementwise_loss<Huber, T>},
      &perturb<T>, &follow<T>, &squares<T>, &multiply_all<T>,
      {&leap<0, T>, &leap<1, T>}, &uniforms,
      {STREAMDL_UTILITIES(STREAMDL_UTILITY)},
      &mark_active<T>,
      &survey<int32_t, T>, &survey<int64_t, T>,
      rules,
      &td_kernels<T>,
  };
  // clang-format on
#undef STREAMDL_VALUE
#undef STREAMDL_SLOPE
#undef STREAMDL_UTILITY
  return kernels;
}

STREAMDL_END
