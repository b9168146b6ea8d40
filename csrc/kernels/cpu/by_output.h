// A last layer with few outputs, whose weights lie as one vector per output: lanes are source units, and a unit's
// error and sums need no reduction. With few active rows, only the vectors that hold one are visited.
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

template <class T>
struct Positions {
  alignas(kAlignment) T at[kLanes<T>];
};
template <class T>
constexpr Positions<T> positions() {
  Positions<T> p{};
  for (int i = 0; i < kLanes<T>; ++i) p.at[i] = (T)i;
  return p;
}
template <class T>
inline constexpr Positions<T> kPositions = positions<T>();

// The sum of x w: four sums side by side, each of every fourth vector, so that none waits for the last.
template <class T>
STREAMDL_HD T forward_output(const ForwardArgs<T>& a, const T* weights) {
  using V = Lanes<T>;
  constexpr int width = V::width;
  V total[4] = {V(0), V(0), V(0), V(0)};
  if (is_sparse<T>(a.row_count, a.inputs)) {
    visit_vectors<T>(a.rows, a.row_count, a.inputs, [&](int j) __attribute__((always_inline)) {
      V& mine = total[j / width % 4];
      mine = fma(load(a.x + j), load(weights + j), mine);
    });
  } else {
    int j = 0;
    for (; j + 3 * width < a.inputs; j += 4 * width)
      for (int i = 0; i < 4; ++i) total[i] = fma(load(a.x + j + i * width), load(weights + j + i * width), total[i]);
    for (int i = 0; j < a.inputs; ++i, j += width) total[i] = fma(load(a.x + j), load(weights + j), total[i]);
  }
  return sum((total[0] + total[1]) + (total[2] + total[3]));
}

// Puts sums of x w, down the tree of the lanes, into the lanes of kOutputs outputs.
template <int kOutputs, class T>
STREAMDL_HD Lanes<T> forward_outputs(const ForwardArgs<T>& a, int k, Lanes<T> out) {
  using V = Lanes<T>;
  const T* const weights = a.weights + k * a.output_stride;
  const V lanes = load(kPositions<T>.at);
  if constexpr (kOutputs == 1) return select(lanes == V((T)k), V(forward_output(a, weights)), out);
  V total[4] = {V(0), V(0), V(0), V(0)};
  visit_vectors<T>(a.rows, a.row_count, a.inputs, [&](int j) __attribute__((always_inline)) {
    const V x = load(a.x + j);
    for (int r = 0; r < kOutputs; ++r) total[r] = fma(x, load(weights + r * a.output_stride + j), total[r]);
  });
  T sums[4];
  sum4(total[0], total[1], total[2], total[3], sums);
  for (int r = 0; r < kOutputs; ++r) out = select(lanes == V((T)(k + r)), V(sums[r]), out);
  return out;
}

template <class T>
void forward_by_output(const ForwardArgs<T>& args) {
  using V = Lanes<T>;
  const ForwardArgs<T> a = args;
  V out(0);  // stored whole, since it is soon loaded whole
  int k = 0;
  for (; k + 4 <= a.end; k += 4) out = forward_outputs<4>(a, k, out);
  for (; k + 2 <= a.end; k += 2) out = forward_outputs<2>(a, k, out);
  if (k < a.end) out = forward_outputs<1>(a, k, out);
  store(a.out, a.bias ? out + load(a.bias) : out);
}

// input_delta = sum over outputs of w * delta, with `squared` of w^2 * delta. Reads only.
template <class T>
void backward_by_output(const UpdateArgs<T>& a, bool squared) {
  using V = Lanes<T>;
  for (int j = 0; j < a.inputs; j += V::width) {
    V dot(0);
    for (int k = 0; k < a.used; ++k) {
      const V w = load(a.weights + k * a.output_stride + j);
      dot = fma(squared ? w * w : w, V(a.delta[k]), dot);
    }
    store(a.input_delta + j, a.rests ? select(load(a.x + j) != V(0), dot, V(0)) : dot);
  }
}

template <class Rule, bool kDecay, class T>
STREAMDL_COLD void repair_by_output(UpdateArgs<T>& a, int j, int k, const T* noise, Register<T>* parts) {
  using V = Register<T>;
  auto c = make_context<Rule, kDecay, false, V>(a);
  if constexpr (Rule::uses_noise) c.noise = load_register(noise);
  if constexpr (kOfUnits<Rule>) c.unit = V(a.unit_factors[k]);
  for (int i = 0; i < Rule::clock_count; ++i)
    c.correction[i] = max(load_register(a.row_correction[i] + j), V(a.column_correction[i][k]));
  const V x = load_register(a.x + j);
  const V d = kSensitive<Rule> ? sensitivity_of<Rule>(x, V(a.sensitivity[k])) : V(0);
  const OuterProduct<V> g{x, V(a.delta[k])};
  T* const p = a.weights + k * a.output_stride + j;
  find_anchor(a, c, p);
  a.largest = largest_of(update_carefully<Rule>(p, a.columns, g, d, c, a.cancelled), a.largest);
  for (int i = 0; i < kSumsAfter<Rule>; ++i) parts[i] = c.part[i];
}

template <class Rule, unsigned kMode, class T>
void update_by_output(UpdateArgs<T>& args) {
  using V = Register<T>;
  constexpr bool decays = kMode & kDecay, bounded = kMode & kBounded;
  constexpr bool propagate = kMode & kPropagate, outgoing = kMode & kOutgoingSums;
  const UpdateArgs<T> a = args;  // a copy, since vector stores may change anything else
  auto c = make_context<Rule, decays, true, V>(a);
  const V limit(a.limit);
  alignas(kAlignment) T normal[Rule::uses_noise ? kFewOutputs : 1][kNormals];
  auto piece = [&](ptrdiff_t j) __attribute__((always_inline)) {
    const V x = load_register(a.x + j);
    V dot(0), squared_dot(0), total(0), parts[kSumsAfter<Rule> + 1];
    for (V& part : parts) part = V(kNoPart<Rule, T>);
    if constexpr (Rule::uses_noise)
      if (j % kNormals == 0)
        for (int k = 0; k < a.used; ++k)
          draw_normals(normal[k], (uint32_t)k * counters_of(a.inputs) + (uint32_t)j / kNormals * 16, a.noise,
                       a.inputs - (int)j);
#pragma GCC unroll 1
    for (int k = 0; k < a.used; ++k) {
      T* const p = a.weights + k * a.output_stride + j;
      const V old = load_register(p), delta(a.delta[k]);
      V w = old, s(0);
      if constexpr (kSensitive<Rule>) s = V(a.sensitivity[k]);
      if constexpr (propagate) {
        dot = fma(old, delta, dot);
        if constexpr (Rule::uses_sensitivity) squared_dot = fma(old * old, s, squared_dot);
      }
      for (int i = 0; i < Rule::clock_count; ++i)
        c.correction[i] = max(load_register(a.row_correction[i] + j), V(a.column_correction[i][k]));
      if constexpr (kOfUnits<Rule>) c.unit = V(a.unit_factors[k]);
      if constexpr (Rule::uses_noise) c.noise = load_register(normal[k] + j % kNormals);
      find_anchor(a, c, p);
      const OuterProduct<V> g{x, delta};
      if (!update_quickly<Rule, bounded>(p, a.columns, w, g, sensitivity_of<Rule>(x, s), c, limit)) [[unlikely]] {
        V repaired[kMaxSums];
        repair_by_output<Rule, decays>(args, j, k, normal[Rule::uses_noise ? k : 0] + j % kNormals, repaired);
        for (int i = 0; i < kSumsAfter<Rule>; ++i) c.part[i] = repaired[i];
        w = load_register(p);
      }
      for (int i = 0; i < kSumsAfter<Rule>; ++i) parts[i] = with_part<Rule>(parts[i], c.part[i]);
      if constexpr (outgoing) total = total + abs(w);
    }
    auto put = [&](T* into, V all) { store(into + j, a.rests ? select(x != V(0), all, V(0)) : all); };
    if constexpr (propagate) put(a.input_delta, dot);
    if constexpr (propagate && Rule::uses_sensitivity) put(a.input_sensitivity, squared_dot);
    if constexpr (outgoing) store(a.outgoing_sum + j, total);
    for (int i = 0; i < kSumsAfter<Rule>; ++i) store(a.row_sums[i] + j, parts[i]);
  };
  if constexpr (propagate)
    for (int j = 0; is_sparse<T>(a.row_count, a.inputs) && j < a.inputs; j += V::width) {
      store(a.input_delta + j, V(0));
      if constexpr (Rule::uses_sensitivity) store(a.input_sensitivity + j, V(0));
    }
  constexpr int width = Lanes<T>::width;
  auto visit = [&](int j) __attribute__((always_inline)) {
    for (int i = 0; i < width; i += V::width) piece(j + i);
  };
  if (Rule::uses_noise || is_sparse<T>(a.row_count, a.inputs)) {  // draws are made for several vectors that follow
    visit_vectors<T>(a.rows, a.row_count, a.inputs, visit);
  } else {  // backwards: what the pass forward read last is in the first cache
    for (int j = padded<T>(a.inputs) - width; j >= 0; j -= width) visit(j);
  }
  update_bias<Rule, kMode>(a, args, c, (uint32_t)a.used * counters_of(a.inputs));
}

STREAMDL_END
