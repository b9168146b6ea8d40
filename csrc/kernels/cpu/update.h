// The fused pass: per weight read once, contribute to the source's error, update, sum, write once.
#pragma once

#include "kernels/cpu/dense.h"
#include "rules/context.h"

STREAMDL_BEGIN

// Rows per pass. Four rows share the loads of delta and hide the latency of their dot products; rules
// with fields, and sums, fill the registers with fewer.
template <class Rule, unsigned kMode>
inline constexpr int kRowsPerPass = Rule::field_count ? 1 : kMode & (kOutgoingSums | kIncomingSums) ? 2 : 4;

template <class Rule>
inline constexpr int kHypersOf = sizeof(Rule::hypers) / sizeof(Rule::hypers[0]);

template <class Rule, bool kDecay, class V>
using ContextOf = Context<V, kHypersOf<Rule>, kDecay>;

template <class Rule, bool kDecay, class V>
STREAMDL_HD ContextOf<Rule, kDecay, V> make_context(const double* hyper) {
  ContextOf<Rule, kDecay, V> c;
  using T = Number<V>;
  for (int i = 0; i < kHypersOf<Rule>; ++i) c.hyper[i] = V((T)hyper[i]);
  c.weight_decay = V((T)hyper[kHypersOf<Rule>]);
  c.decoupled_weight_decay = V((T)hyper[kHypersOf<Rule> + 1]);
  c.correction[0] = c.correction[1] = V(1);
  return c;
}

// One vector of weights at `p`, its fields `columns` further on each. Rules without fields are bounded by
// the learner beforehand. For the others one comparison sees that all is finite and |w| within the limit;
// past it, a weight whose new value or field is not finite keeps all its old ones, and is counted.
template <class Rule, class V, class T, class G, class C>
STREAMDL_HD V update_vector(T* p, ptrdiff_t columns, V w, const G& g, V d, const C& c, V limit, T& largest,
                            uint64_t& cancelled) {
  if constexpr (Rule::field_count == 0) {
    Rule::apply(w, g, d, (V*)nullptr, c);
  } else {
    constexpr int kFields = Rule::field_count;
    V before[kFields], f[kFields];
    for (int k = 0; k < kFields; ++k) f[k] = before[k] = load(p + (k + 1) * columns);
    const V old = w;
    Rule::apply(w, g, d, f, c);
    V zero = f[0] * V(0);
    for (int k = 1; k < kFields; ++k) zero = fma(f[k], V(0), zero);
    if (!all(abs(w) + zero <= limit)) [[unlikely]] {
      const auto sound = w * V(0) + zero == V(0);
      w = select(sound, w, old);
      for (int k = 0; k < kFields; ++k) f[k] = select(sound, f[k], before[k]);
      cancelled += (uint64_t)(V::width - __builtin_popcount(to_bits(sound)));
      largest = max(maximum(abs(w)), largest);
    }
    for (int k = 0; k < kFields; ++k) store(p + (k + 1) * columns, f[k]);
  }
  store(p, w);
  return w;
}

template <class Rule, unsigned kMode, int kRows, bool kStreaming, class T>
STREAMDL_HD void update_rows(UpdateArgs<T>& a, ContextOf<Rule, (kMode & kDecay) != 0, Lanes<T>> c,
                             const int32_t* rows, bool more, T& largest) {
  const ptrdiff_t columns = a.columns;
  const T* const deltas = a.delta;
  const T* const sensitivities = a.sensitivity;
  uint64_t cancelled = 0;
  using V = Lanes<T>;
  constexpr bool propagate = kMode & kPropagate;
  constexpr bool incoming = kMode & kIncomingSums;
  constexpr bool outgoing = (kMode & kOutgoingSums) || incoming;
  const V limit(a.limit);
  V x[kRows], square[kRows], dot[kRows], squared_dot[kRows], total[kRows];
  T* row[kRows];
  const T* next[kRows];
  V row_correction[kRows][kMaxClocks];
  for (int r = 0; r < kRows; ++r) {
    x[r] = V(a.x[rows[r]]);
    square[r] = x[r] * x[r];
    dot[r] = squared_dot[r] = total[r] = V(0);
    row[r] = a.weights + rows[r] * a.row_stride;
    next[r] = kStreaming && more ? a.weights + rows[r + kRows] * a.row_stride : row[r];
    for (int k = 0; k < Rule::clock_count; ++k)
      row_correction[r][k] = V(a.row_correction[k] ? a.row_correction[k][rows[r]] : T(1));
  }
  for (ptrdiff_t j = 0; j < columns; j += V::width) {
    const V delta = load(deltas + j);
    V s(0), change(0);
    if constexpr (Rule::uses_sensitivity) s = load(sensitivities + j);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      if constexpr (kStreaming) __builtin_prefetch(next[r] + j, 1);
      const V old = load(row[r] + j);
      if constexpr (propagate) {
        dot[r] = fma(old, delta, dot[r]);
        if constexpr (Rule::uses_sensitivity) squared_dot[r] = fma(old * old, s, squared_dot[r]);
      }
      for (int k = 0; k < Rule::clock_count; ++k)
        c.correction[k] = max(row_correction[r][k], load(a.column_correction[k] + j));
      const V w = update_vector<Rule>(row[r] + j, columns, old, OuterProduct<V>{x[r], delta},
                                      square[r] * s, c, limit, largest, cancelled);
      if constexpr (outgoing) total[r] = total[r] + abs(w);
      if constexpr (incoming) change = change + (abs(w) - abs(old));
    }
    if constexpr (incoming) store(a.incoming_change + j, load(a.incoming_change + j) + change);
  }
  a.cancelled += cancelled;
  // Four sums at a time, for the rows that there are.
  T out[4];
  const V none(0);
  if constexpr (propagate) {
    sum4(dot[0], kRows > 1 ? dot[kRows > 1] : none, kRows > 2 ? dot[kRows > 2 ? 2 : 0] : none,
         kRows > 3 ? dot[kRows > 3 ? 3 : 0] : none, out);
    for (int r = 0; r < kRows; ++r) a.input_delta[rows[r]] = out[r];
    if constexpr (Rule::uses_sensitivity)
      for (int r = 0; r < kRows; ++r) a.input_sensitivity[rows[r]] = sum(squared_dot[r]);
  }
  if constexpr (outgoing) {
    sum4(total[0], kRows > 1 ? total[kRows > 1] : none, kRows > 2 ? total[kRows > 2 ? 2 : 0] : none,
         kRows > 3 ? total[kRows > 3 ? 3 : 0] : none, out);
    for (int r = 0; r < kRows; ++r) a.outgoing_sum[rows[r]] = out[r];
  }
}

template <class Rule, unsigned kMode, int kRows, bool kStreaming, class T, class C>
STREAMDL_HD int update_groups(UpdateArgs<T>& a, const C& c, T& largest) {
  int i = 0;
  for (; i + kRows <= a.row_count; i += kRows)
    update_rows<Rule, kMode, kRows, kStreaming>(a, c, a.rows + i, i + 2 * kRows <= a.row_count, largest);
  return i;
}

template <class Rule, unsigned kMode, class T>
void update(UpdateArgs<T>& a) {
  using V = Lanes<T>;
  constexpr int kRows = kRowsPerPass<Rule, kMode>;
  T largest = a.largest;
  const V limit(a.limit);
  auto c = make_context<Rule, (kMode & kDecay) != 0, V>(a.hyper);
  int i;
  if constexpr (kRows > 1) {  // the plain rule is fast enough to feel the question
    i = a.streaming ? update_groups<Rule, kMode, kRows, true>(a, c, largest)
                    : update_groups<Rule, kMode, kRows, false>(a, c, largest);
    for (; i < a.row_count; ++i) update_rows<Rule, kMode, 1, false>(a, c, a.rows + i, false, largest);
  } else {
    update_groups<Rule, kMode, 1, true>(a, c, largest);
  }
  if (a.bias) {
    for (int j = 0; j < a.columns; j += V::width) {
      for (int k = 0; k < Rule::clock_count; ++k) c.correction[k] = load(a.column_correction[k] + j);
      V s(0);
      if constexpr (Rule::uses_sensitivity) s = load(a.sensitivity + j);
      update_vector<Rule>(a.bias + j, a.columns, load(a.bias + j),
                          OuterProduct<V>{V(1), load(a.delta + j)}, s, c, limit, largest, a.cancelled);
    }
  }
  a.largest = largest;
}

template <class Rule, bool kDecay, class T>
void update_stored(StoredUpdateArgs<T>& a) {
  using V = Lanes<T>;
  auto c = make_context<Rule, kDecay, V>(a.hyper);
  V most(a.largest);
  T largest = a.largest;
  for (int j = 0; j < a.columns; j += V::width) {
    for (int k = 0; k < Rule::clock_count; ++k) {
      const V column = load(a.column_correction[k] + j);
      c.correction[k] = a.row_correction ? max(V(a.row_correction[k]), column) : column;
    }
    const V d = a.sensitivity ? load(a.sensitivity + j) : V(0);
    const V w = update_vector<Rule>(a.weights + j, a.columns, load(a.weights + j),
                                    Stored<V>{load(a.gradient + j)}, d, c, V(kFinite<T>), largest, a.cancelled);
    most = max(abs(w), most);
  }
  a.largest = maximum(most);
}

STREAMDL_END
