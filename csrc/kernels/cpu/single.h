// A last layer with one output, whose weights lie behind each other: lanes are source units, and a unit's error
// and sum need no reduction. With few active rows, only the vectors that hold one are visited.
#pragma once

#include "kernels/cpu/update.h"

STREAMDL_BEGIN

template <class T>
STREAMDL_HD bool is_sparse(int row_count, int n) {
  return 2 * row_count < padded<T>(n) / Lanes<T>::width;
}

// Calls visit(j) for each whole vector of n source units; where they are sparse, for those with an active row.
template <class T, class Visit>
STREAMDL_HD void visit_vectors(const int32_t* rows, int row_count, int n, const Visit& visit) {
  constexpr int width = Lanes<T>::width;
  if (!is_sparse<T>(row_count, n)) {
    for (int j = 0; j < n; j += width) visit(j);
    return;
  }
  for (int i = 0, last = -1; i < row_count; ++i) {
    const int j = rows[i] / width * width;
    if (j != last) visit(j);
    last = j;
  }
}

// out = bias + sum of x w down the tree of the lanes.
template <class T>
void forward_single(const ForwardArgs<T>& args) {
  using V = Lanes<T>;
  const ForwardArgs<T> a = args;
  V total(0);
  visit_vectors<T>(a.rows, a.row_count, a.inputs, [&](int j) __attribute__((always_inline)) {
    total = fma(load(a.x + j), load(a.weights + j), total);
  });
  store(a.out, keep_first(V(sum(total) + (a.bias ? *a.bias : T(0))), 1));
}

template <class Rule, bool kDecay, class T>
STREAMDL_COLD void repair_single(UpdateArgs<T>& a, int j) {
  using V = Register<T>;
  auto c = make_context<Rule, kDecay, false, V>(a.hyper);
  for (int k = 0; k < Rule::clock_count; ++k)
    c.correction[k] = max(load_register(a.row_correction[k] + j), V(*a.column_correction[k]));
  const V x = load_register(a.x + j);
  const V d = Rule::uses_sensitivity ? x * x * V(*a.sensitivity) : V(0);
  const OuterProduct<V> g{x, V(*a.delta)};
  a.largest = largest_of(update_carefully<Rule>(a.weights + j, a.columns, g, d, c, a.cancelled), a.largest);
}

template <class Rule, unsigned kMode, class T>
void update_single(UpdateArgs<T>& args) {
  using V = Register<T>;
  constexpr bool decays = kMode & kDecay, bounded = kMode & kBounded;
  constexpr bool propagate = kMode & kPropagate, outgoing = kMode & kOutgoingSums;
  const UpdateArgs<T> a = args;
  auto c = make_context<Rule, decays, true, V>(a.hyper);
  const V delta(*a.delta), limit(a.limit);
  V s(0), column_correction[kMaxClocks];
  if constexpr (Rule::uses_sensitivity) s = V(*a.sensitivity);
  for (int k = 0; k < Rule::clock_count; ++k) column_correction[k] = V(*a.column_correction[k]);
  auto piece = [&](ptrdiff_t j) __attribute__((always_inline)) {
    const V x = load_register(a.x + j), old = load_register(a.weights + j);
    if constexpr (propagate) {
      auto put = [&](T* into, V all) __attribute__((always_inline)) {
        store(into + j, a.rests ? select(x != V(0), all, V(0)) : all);
      };
      put(a.input_delta, old * delta);
      if constexpr (Rule::uses_sensitivity) put(a.input_sensitivity, old * old * s);
    }
    for (int k = 0; k < Rule::clock_count; ++k)
      c.correction[k] = max(load_register(a.row_correction[k] + j), column_correction[k]);
    V w = old;
    if (!update_quickly<Rule, bounded>(a.weights + j, a.columns, w, OuterProduct<V>{x, delta}, x * x * s, c, limit))
        [[unlikely]] {
      repair_single<Rule, decays>(args, j);
      w = load_register(a.weights + j);
    }
    if constexpr (outgoing) store(a.outgoing_sum + j, abs(w));
  };
  if constexpr (propagate)
    for (int j = 0; is_sparse<T>(a.row_count, a.inputs) && j < a.inputs; j += V::width) {
      store(a.input_delta + j, V(0));
      if constexpr (Rule::uses_sensitivity) store(a.input_sensitivity + j, V(0));
    }
  visit_vectors<T>(a.rows, a.row_count, a.inputs, [&](int j) __attribute__((always_inline)) {
    for (int i = 0; i < Lanes<T>::width; i += V::width) piece(j + i);
  });
  update_bias<Rule, kMode>(a, args, c);
}

STREAMDL_END
