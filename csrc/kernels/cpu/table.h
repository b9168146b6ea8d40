// Fills the table of one instruction set. Included once by each file that is compiled for a set.
#pragma once

#include "kernels/cpu/by_output.h"
#include "kernels/cpu/losses.h"
#include "kernels/cpu/td.h"
#include "kernels/cpu/units.h"
#include "kernels/cpu/update.h"
#include "rules/optimizers/list.h"

STREAMDL_BEGIN

// The modes of a rule. Incoming sums imply outgoing ones, so a quarter of them coincide.
template <class Rule, class T>
constexpr RuleKernels<T> rule_kernels() {
  RuleKernels<T> k{};
  // clang-format off
#define STREAMDL_MODE(m)                                       \
  k.update[m] = &update<Rule, (m) & 8 ? ((m) | 4) : (m), T>;   \
  k.update_by_output[m] = &update_by_output<Rule, (m) & 7, T>;
  STREAMDL_MODE(0) STREAMDL_MODE(1) STREAMDL_MODE(2) STREAMDL_MODE(3)
  STREAMDL_MODE(4) STREAMDL_MODE(5) STREAMDL_MODE(6) STREAMDL_MODE(7)
  STREAMDL_MODE(8) STREAMDL_MODE(9) STREAMDL_MODE(10) STREAMDL_MODE(11)
  STREAMDL_MODE(12) STREAMDL_MODE(13) STREAMDL_MODE(14) STREAMDL_MODE(15)
#undef STREAMDL_MODE
  // Decay and incoming sums are rare enough for every value to be looked at.
#define STREAMDL_BOUNDED(m)                                                                             \
  k.update[(m) | kBounded] = &update<Rule, Rule::field_count && !kPlain ? (m) | kBounded : (m), T>;    \
  k.update_by_output[(m) | kBounded] = &update_by_output<Rule, Rule::field_count && !kPlain ? (m) | kBounded : (m), T>;
  STREAMDL_BOUNDED(0) STREAMDL_BOUNDED(1) STREAMDL_BOUNDED(4) STREAMDL_BOUNDED(5)
#undef STREAMDL_BOUNDED
  if constexpr (Rule::field_count > 0) k.bound = &Rule::bound;
  k.update_stored[0] = &update_stored<Rule, false, T>;
  k.update_stored[1] = &update_stored<Rule, true, T>;
  // clang-format on
  return k;
}

template <class T>
const Kernels<T>& table() {
#define STREAMDL_RULE(Rule) rule_kernels<Rule, T>(),
  static constexpr RuleKernels<T> rules[] = {STREAMDL_OPTIMIZERS(STREAMDL_RULE)};
#undef STREAMDL_RULE
#define STREAMDL_VALUE(A, name, gain) &emit<A, T>,
#define STREAMDL_SLOPE(A, name, gain) &activate_back<A, T>,
#define STREAMDL_UTILITY(U, name) &utility<U, T>,
  // clang-format off
  static constexpr Kernels<T> kernels = {
      &all_finite<T>, &largest<T>,
      &forward<T>, &forward_by_output<T>, &backward<T>, &backward_by_output<T>, &absolute_sum<T>, &accumulate<T>,
      {STREAMDL_ACTIVATIONS(STREAMDL_VALUE)},
      {STREAMDL_ACTIVATIONS(STREAMDL_SLOPE)},
      &normalize<T>, &normalize_back<T>, &affine<T>, &drop<T>, &multiply<T>,
      {&elementwise_loss<SquaredError, T>, &cross_entropy<T>, &elementwise_loss<BinaryCrossEntropy, T>,
       &elementwise_loss<Huber, T>},
      &perturb<T>, &uniforms,
      {STREAMDL_UTILITIES(STREAMDL_UTILITY)},
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
