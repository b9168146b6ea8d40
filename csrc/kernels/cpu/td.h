// One step of linear temporal-difference learning.
//
// First everything that can be refused is computed, from the state as it is: predictions, error, sums. Then the
// eligible blocks are swept. Sums run over the blocks of an input in ascending order, so that an input given as a
// vector and as indices and values give the same bits, and nobody else's presence changes one.
#pragma once

#include "kernels/cpu/dense.h"
#include "kernels/td.h"
#include "rules/td/list.h"

STREAMDL_BEGIN

template <class Rule>
inline constexpr int kTDFields = sizeof(Rule::fields) / sizeof(Rule::fields[0]);
template <class Rule>
inline constexpr int kTDHypers = sizeof(Rule::hypers) / sizeof(Rule::hypers[0]);
// The fields that a sweep reads and writes: all but the fresh ones.
template <class Rule>
constexpr int swept_fields() {
  if constexpr (requires { Rule::fresh; }) return Rule::fresh;
  else return kTDFields<Rule>;
}
template <class T>
inline constexpr int kBlock = Lanes<T>::width;

//---------------------------------------------------------------------------- inputs

template <class T>
bool take(TDArgs<T>& a, const T* x) {
  using V = Lanes<T>;
  bool finite = true;
  int count = 0;
  for (int j = 0, b = 0; j < a.features; j += V::width, ++b) {
    const V in = (j + V::width <= a.features ? load(x + j) : load_first(x + j, a.features - j)) + V(0);
    finite &= all(abs(in) <= V(kFinite<T>));
    if (!any(in != V(0))) continue;
    store(a.next + j, in);
    a.arrived[count++] = b;
  }
  a.arrived_count = count;
  return finite;
}

template <class T>
void release(TDArgs<T>& a) {
  for (int i = 0; i < a.arrived_count; ++i) store(a.next + a.arrived[i] * kBlock<T>, Lanes<T>(0));
  a.arrived_count = 0;
}

// w.x over the blocks of x.
template <class T>
STREAMDL_HD T predicted(const T* w, const T* x, const int32_t* blocks, int count) {
  using V = Lanes<T>;
  V total[4] = {V(0), V(0), V(0), V(0)};
  auto add = [&](V& to, int b)
                 __attribute__((always_inline)) { to = fma(load(x + b * V::width), load(w + b * V::width), to); };
  int i = 0;
  for (; i + 4 <= count; i += 4)
    for (int r = 0; r < 4; ++r) add(total[r], blocks[i + r]);
  for (int r = 0; r < 3; ++r)
    if (i + r < count) add(total[r], blocks[i + r]);
  return sum((total[0] + total[1]) + (total[2] + total[3])) + T(0);
}

template <class T>
T predict_next(const TDArgs<T>& a) {
  return predicted(a.weights, a.next, a.arrived, a.arrived_count);
}

//---------------------------------------------------------------------------- blocks

template <class Rule, class V, class T>
STREAMDL_HD void spread(const T* c, V (&lanes)[Rule::constants]) {
  for (int k = 0; k < Rule::constants; ++k) lanes[k] = V(c[k]);
}

// The pieces of a block, see Register.
template <class T, class Piece>
STREAMDL_HD void each_piece(int b, const Piece& piece) {
  constexpr int width = Register<T>::width;
#pragma GCC unroll 2
  for (int i = 0; i < kBlock<T> / width; ++i) piece(b * kBlock<T> + i * width, i);
}

template <class V, class T, int kCount>
STREAMDL_HD void load_fields(const TDArgs<T>& a, ptrdiff_t at, V (&f)[kCount]) {
#pragma GCC unroll 8
  for (int k = 0; k < kCount; ++k) f[k] = load_register(a.weights + (k + 1) * a.columns + at);
}

// Writes w and the fields `first` to kCount. A feature of which one would not be finite keeps its old values.
template <class Rule, int kFirst, class V, class T, int kCount>
STREAMDL_HD void store_sound(TDArgs<T>& a, ptrdiff_t at, V w, V (&f)[kCount], uint64_t& cancelled) {
  V look = w * V(0);
#pragma GCC unroll 8
  for (int k = kFirst; k < kCount; ++k)
    if (!Rule::fields[k].shows_in_weight) look = fma(f[k], V(0), look);
  const auto sound = look == V(0);
  if (!all(sound)) [[unlikely]] {
    w = select(sound, w, load_register(a.weights + at));
    for (int k = kFirst; k < kCount; ++k)
      f[k] = select(sound, f[k], load_register(a.weights + (k + 1) * a.columns + at));
    cancelled += (uint64_t)(V::width - __builtin_popcount(to_bits(sound)));
  }
  store(a.weights + at, w);
#pragma GCC unroll 8
  for (int k = kFirst; k < kCount; ++k) store(a.weights + (k + 1) * a.columns + at, f[k]);
}

// The traces among the fields, as one number that is 0 where all of them are.
template <class Rule, class V, int kCount>
STREAMDL_HD V traces(const V (&f)[kCount]) {
  V total(0);
#pragma GCC unroll 8
  for (int k = 0; k < kCount; ++k)
    if (Rule::fields[k].trace) total = total + abs(f[k]);
  return total;
}

template <class T>
STREAMDL_HD bool any_nonzero(const T* block) {
  return any(load(block) != Lanes<T>(0));
}

//---------------------------------------------------------------------------- sums

template <class Rule, class T>
STREAMDL_HD void measure(TDArgs<T>& a, TDCall<T>& call, const T* constants) {
  using V = Register<T>;
  constexpr int kPieces = kBlock<T> / V::width;
  V c[Rule::constants], total[kMaxTDSums][kPieces];
  spread<Rule>(constants, c);
  for (auto& sums : total)
    for (V& s : sums) s = V(0);
  auto block = [&](int b) __attribute__((always_inline)) {
    each_piece<T>(b, [&](int j, int i) __attribute__((always_inline)) {
      V f[kTDFields<Rule>], sums[kMaxTDSums];
      load_fields(a, j, f);
      for (int k = 0; k < kMaxTDSums; ++k) sums[k] = total[k][i];
      const V x = Rule::looks_back ? load_register(a.input + j) : V(0);
      Rule::measure(V(0), f, x, load_register(a.next + j), c, sums);
      for (int k = 0; k < kMaxTDSums; ++k) total[k][i] = sums[k];
      if constexpr (requires { Rule::forgets; }) store(a.saved + j, f[Rule::forgets]);
    });
  };
  if constexpr (Rule::measures != TDMeasures::now)
    for (int i = 0; i < a.left_count; ++i) block(a.left[i]);
  if (Rule::measures == TDMeasures::now || (Rule::measures == TDMeasures::both && call.ordinary))
    for (int i = 0; i < a.arrived_count; ++i)
      if (!Rule::looks_back || !any_nonzero(a.input + a.arrived[i] * kBlock<T>)) block(a.arrived[i]);
  for (int k = 0; k < kMaxTDSums; ++k) call.sum[k] = sum(join(total[k])) + T(0);
}

//---------------------------------------------------------------------------- the sweep

template <class Rule, bool kEnd, bool kForget, class T>
STREAMDL_HD void sweep(TDArgs<T>& args, const T* constants) {
  using V = Register<T>;
  constexpr int kCount = swept_fields<Rule>();
  TDArgs<T> a = args;  // a copy, since vector stores may change anything else
  V c[Rule::constants];
  spread<Rule>(constants, c);
  a.eligible.each([&](int b) __attribute__((always_inline)) {
    bool busy = false;
    each_piece<T>(b, [&](int j, int) __attribute__((always_inline)) {
      V w = load_register(a.weights + j), f[kCount];
      load_fields(a, j, f);
      V x(0), next(0);
      if constexpr (Rule::looks_back) x = load_register(a.input + j);
      if constexpr (Rule::has_gradient) next = load_register(a.next + j);
      Rule::apply(w, f, x, next, c);
      if constexpr (kForget) Rule::forget(f);
      store_sound<Rule, 0>(a, j, w, f, a.cancelled);
      if constexpr (kEnd) {
        for (int k = 0; k < kCount; ++k)
          if (Rule::fields[k].trace) store(a.weights + (k + 1) * a.columns + j, V(0));
      } else {
        busy |= any(traces<Rule>(f) != V(0));
      }
    });
    if constexpr (requires { Rule::forgets; })
      if (!busy) a.forgot[b] = a.forgets;
    return busy;
  });
  args.cancelled = a.cancelled;
}

template <class Rule, class T>
STREAMDL_HD void leave(TDArgs<T>& args, const T* constants) {
  using V = Register<T>;
  TDArgs<T> a = args;
  V c[Rule::constants];
  spread<Rule>(constants, c);
  for (int i = 0; i < a.left_count; ++i)
    each_piece<T>(a.left[i], [&](int j, int) __attribute__((always_inline)) {
      V w = load_register(a.weights + j), f[kTDFields<Rule>];
      load_fields(a, j, f);
      Rule::leave(w, f, c);
      store_sound<Rule, 0>(a, j, w, f, a.cancelled);
    });
  args.cancelled = a.cancelled;
}

template <class Rule, bool kOver, class T>
STREAMDL_HD void arrive(TDArgs<T>& args, const T* constants) {
  using V = Register<T>;
  TDArgs<T> a = args;
  V c[Rule::constants];
  spread<Rule>(constants, c);
  for (int i = 0; i < a.arrived_count; ++i)
    each_piece<T>(a.arrived[i], [&](int j, int) __attribute__((always_inline)) {
      V f[kTDFields<Rule>];
      load_fields(a, j, f);
      Rule::template arrive<kOver>(f, load_register(a.next + j), load_register(a.saved + j), c);
      V look(0);
      for (const V& field : f) look = fma(field, V(0), look);
      const auto sound = look == V(0);
      if (!all(sound)) [[unlikely]] {
        for (int k = 0; k < kTDFields<Rule>; ++k)
          f[k] = select(sound, f[k], load_register(a.weights + (k + 1) * a.columns + j));
        a.cancelled += (uint64_t)(V::width - __builtin_popcount(to_bits(sound)));
      }
#pragma GCC unroll 8
      for (int k = 0; k < kTDFields<Rule>; ++k) store(a.weights + (k + 1) * a.columns + j, f[k]);
    });
  args.cancelled = a.cancelled;
}

//---------------------------------------------------------------------------- a step

// A block that enters the set forgets what it has missed.
template <class Rule, class T>
STREAMDL_HD void catch_up(TDArgs<T>& a, int b) {
  if constexpr (requires { Rule::forgets; }) {
    if (a.eligible.has(b) || a.forgot[b] == a.forgets) return;
    store(a.weights + (Rule::forgets + 1) * a.columns + b * kBlock<T>, Lanes<T>(0));
    a.forgot[b] = a.forgets;
  }
}

template <class Rule, class T>
STREAMDL_HD void fold(TDArgs<T>& a) {
  if constexpr (requires { Rule::folds(T(1)); }) {
    using V = Lanes<T>;
    if (!Rule::folds(a.scalars[Rule::scale])) return;
    const V s(a.scalars[Rule::scale]);
    T* const field = a.weights + a.columns;
    for (ptrdiff_t j = 0; j < a.columns; j += V::width) store(field + j, load(field + j) * s);
    a.scalars[Rule::scale] = T(1);
  }
}

template <class Rule, bool kEnd, class T>
bool learn(TDArgs<T>& a) {
  T hyper[kTDHypers<Rule>], c[Rule::constants];
  for (int k = 0; k < kTDHypers<Rule>; ++k) hyper[k] = (T)a.hyper[k];
  TDCall<T> call{hyper, a.reward, T(0), T(0), {}, {}, a.ordinary};
  for (int k = 0; k < Rule::scalar_count; ++k) call.scalar[k] = a.scalars[k];
  if (!kEnd) call.now = predict_next(a);
  if (Rule::looks_back && a.started) call.before = predicted(a.weights, a.input, a.left, a.left_count);
  if (!is_finite(call.now) || !is_finite(call.before)) return false;
  a.prediction = call.now;
  if (Rule::looks_back && !a.started) {  // nothing to learn about yet
    for (int i = 0; i < a.arrived_count; ++i) a.eligible.insert(a.arrived[i]);
    return true;
  }
  for (int i = 0; i < a.arrived_count; ++i) catch_up<Rule>(a, a.arrived[i]);
  if (!Rule::open(call, c)) return false;
  if constexpr (Rule::measures != TDMeasures::nothing && !(kEnd && Rule::measures == TDMeasures::now))
    measure<Rule>(a, call, c);
  if (!Rule::close(call, c)) return false;

  // From here on it writes.
  for (int k = 0; k < Rule::scalar_count; ++k)
    a.scalars[k] = kEnd && Rule::scalars[k].restarts ? (T)Rule::scalars[k].start : call.scalar[k];
  for (int i = 0; i < a.arrived_count; ++i) a.eligible.insert(a.arrived[i]);
  if constexpr (requires { Rule::fresh; }) {
    leave<Rule>(a, c);
    if (!kEnd && Rule::is_over(call)) {
      ++a.forgets;
      sweep<Rule, false, true>(a, c);
      arrive<Rule, true>(a, c);
    } else {
      sweep<Rule, kEnd, false>(a, c);
      if (!kEnd) arrive<Rule, false>(a, c);
    }
  } else {
    sweep<Rule, kEnd, false>(a, c);
  }
  for (int i = 0; i < a.arrived_count; ++i) a.eligible.insert(a.arrived[i]);
  fold<Rule>(a);
  return true;
}

// What x was is 0 now, and x' is x.
template <class Rule, bool kEnd, class T>
bool step_or_end(TDArgs<T>& a) {
  if (!learn<Rule, kEnd>(a)) return false;
  if constexpr (Rule::looks_back) {
    for (int i = 0; i < a.left_count; ++i) store(a.input + a.left[i] * kBlock<T>, Lanes<T>(0));
    for (int i = 0; i < a.arrived_count; ++i) {
      const int j = a.arrived[i] * kBlock<T>;
      store(a.input + j, load(a.next + j));
    }
  }
  for (int i = 0; i < a.arrived_count; ++i) store(a.next + a.arrived[i] * kBlock<T>, Lanes<T>(0));
  int32_t* const free = a.left;
  a.left = a.arrived;
  a.left_count = a.arrived_count;
  a.arrived = free;
  a.arrived_count = 0;
  a.started = !kEnd;
  return true;
}

//---------------------------------------------------------------------------- after a look from outside

template <class Rule, class T>
void survey(TDArgs<T>& a) {
  using V = Lanes<T>;
  a.left_count = 0;
  for (int b = 0; b < a.eligible.blocks; ++b) {
    const int j = b * V::width;
    V f[kTDFields<Rule>], fresh(0);
    for (int k = 0; k < kTDFields<Rule>; ++k) f[k] = load(a.weights + (k + 1) * a.columns + j);
    if constexpr (Rule::looks_back) fresh = load(a.input + j);
    else
      for (int k = swept_fields<Rule>(); k < kTDFields<Rule>; ++k) fresh = fresh + abs(f[k]);
    if (any(fresh != V(0))) a.left[a.left_count++] = b;
    bool busy = any(fresh != V(0)) || any(traces<Rule>(f) != V(0));
    if constexpr (requires { Rule::rate_bound; }) {  // a step size out of bounds is set right by the next visit
      const V low((T)a.hyper[Rule::min_step_size]), high((T)a.hyper[Rule::rate_bound]);
      busy |= any(min(max(f[0], low), high) != f[0]);
    }
    if (busy) a.eligible.insert(b);
    if constexpr (requires { Rule::forgets; }) a.forgot[b] = a.forgets;
  }
}

template <class Rule, class T>
void settle(TDArgs<T>& a) {
  if constexpr (requires { Rule::forgets; })
    for (int b = 0; b < a.eligible.blocks; ++b) catch_up<Rule>(a, b);
}

template <class Rule, class T>
constexpr TDRuleKernels<T> td_rule_kernels() {
  return {&step_or_end<Rule, false, T>, &step_or_end<Rule, true, T>, &survey<Rule, T>, &settle<Rule, T>};
}

#define STREAMDL_TD_RULE(Rule) td_rule_kernels<Rule, T>(),
template <class T>
inline constexpr TDRuleKernels<T> kTDRules[] = {STREAMDL_TD_RULES(STREAMDL_TD_RULE)};
#undef STREAMDL_TD_RULE
template <class T>
inline constexpr TDKernels<T> td_kernels = {&take<T>, &predict_next<T>, &release<T>, kTDRules<T>};

STREAMDL_END
