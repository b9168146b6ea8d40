// The pass of rules that add up over weights before any may be written: it computes the sources' errors, brings
// the fields that need no sum up to date, and adds up what the weights contribute.
#pragma once

#include "kernels/cpu/by_output.h"

STREAMDL_BEGIN

// One register of weights at `p`. A weight whose field would not be finite keeps all its old ones, contributes
// nothing, and is counted.
template <class Rule, class V, class T, class G, class C>
STREAMDL_HD void measure_register(T* p, ptrdiff_t columns, V w, const G& g, V d, C& c, uint64_t& cancelled) {
  constexpr unsigned kWritten = Rule::measure_writes;
  V f[Rule::field_count];
  load_fields<Rule>(p, columns, f);
  Rule::measure(w, g, d, f, c);
  const auto sound = with_fields<Rule, kWritten, true>(V(0), f) == V(0);
  if (all(sound)) [[likely]]
    return store_fields<Rule, kWritten>(p, columns, f);
  cancelled += store_sound_fields<Rule, kWritten>(p, columns, sound, f);
  for (int k = 0; k < Rule::sums.count; ++k) c.part[k] = select(sound, c.part[k], V(kNoPart<Rule, T>));
}

// What lies behind n numbers contributes nothing. Only zeros do so by themselves.
template <class Rule, class V, class C>
STREAMDL_HD void mask_parts(C& c, int j, int n) {
  using T = Number<V>;
  if constexpr (Rule::sums.largest) {
    if (j + V::width <= n) return;
    alignas(kAlignment) T mask[V::width];
    for (int i = 0; i < V::width; ++i) mask[i] = j + i < n ? T(1) : T(0);
    for (int k = 0; k < Rule::sums.count; ++k)
      c.part[k] = select(load_register(mask) != V(0), c.part[k], V(kNoPart<Rule, T>));
  }
}

template <class Rule, class V, int kPieces>
STREAMDL_HD void clear_parts(V (&parts)[kMaxSums][kPieces]) {
  for (int k = 0; k < Rule::sums.count; ++k)
    for (V& part : parts[k]) part = V(kNoPart<Rule, Number<V>>);
}

template <class Rule, class V, class T>
STREAMDL_HD void add_to_unit(T* sum, V part) {
  store(sum, with_part<Rule>(load_register(sum), part));
}

template <class Rule, class T, class C>
STREAMDL_HD void measure_bias(const UpdateArgs<T>& a, UpdateArgs<T>& args, C& c) {
  using V = Register<T>;
  constexpr int kPieces = Lanes<T>::width / V::width;
  if (!a.bias) return;
  share<Rule>(c, a.bias_shared);
  V parts[kMaxSums][kPieces];
  clear_parts<Rule>(parts);
  for (int j = 0; j < a.used; j += V::width) {
    for (int k = 0; k < Rule::clock_count; ++k) c.correction[k] = load_register(a.column_correction[k] + j);
    V d(0);
    if constexpr (Rule::uses_sensitivity) d = load_register(a.sensitivity + j);
    const OuterProduct<V> g{V(1), load_register(a.delta + j)};
    find_anchor(a, c, a.bias + j);
    measure_register<Rule>(a.bias + j, a.columns, load_register(a.bias + j), g, d, c, args.cancelled);
    mask_parts<Rule, V>(c, j, a.used);
    if constexpr (kOfUnits<Rule> && !Rule::sums.biases_apart) add_to_unit<Rule>(a.unit_sums + j, c.part[0]);
    for (int k = 0; k < Rule::sums.count; ++k) {
      V& part = parts[k][j / V::width % kPieces];
      part = with_part<Rule>(part, c.part[k]);
    }
  }
  for (int k = 0; k < Rule::sums.count; ++k) args.bias_sums[k] = total_of<Rule>(join(parts[k]));
}

template <class Rule, int kRows, class T, class C>
STREAMDL_HD void measure_rows(const UpdateArgs<T>& a, UpdateArgs<T>& args, C& c, const int32_t* rows) {
  using V = Register<T>;
  constexpr int kPieces = Lanes<T>::width / V::width;
  constexpr int kSums = kOfUnits<Rule> ? 0 : Rule::sums.count;
  V x[kRows], dot[kRows][kPieces], squared_dot[kRows][kPieces], parts[kSums + 1][kRows][kPieces];
  T* row[kRows];
  const T* next[kRows];
  const bool fetch = a.level != Level::near;
  for (int r = 0; r < kRows; ++r) {
    x[r] = V(a.x[rows[r]]);
    row[r] = a.weights + rows[r] * a.row_stride;
    next[r] = a.weights + rows[r + kRows] * a.row_stride;
    for (int p = 0; p < kPieces; ++p) {
      dot[r][p] = squared_dot[r][p] = V(0);
      for (int k = 0; k < kSums; ++k) parts[k][r][p] = V(kNoPart<Rule, T>);
    }
  }
  auto piece = [&](ptrdiff_t j, int p) __attribute__((always_inline)) {
    const V delta = load_register(a.delta + j);
    V s(0), of_unit(0);
    if constexpr (Rule::uses_sensitivity) s = load_register(a.sensitivity + j);
    if constexpr (kOfUnits<Rule>) of_unit = load_register(a.unit_sums + j);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const V w = load_register(row[r] + j);
      dot[r][p] = fma(w, delta, dot[r][p]);
      if constexpr (Rule::uses_sensitivity) squared_dot[r][p] = fma(w * w, s, squared_dot[r][p]);
      for (int k = 0; k < Rule::clock_count; ++k)
        c.correction[k] = max(V(a.row_correction[k][rows[r]]), load_register(a.column_correction[k] + j));
      find_anchor(a, c, row[r] + j);
      measure_register<Rule>(row[r] + j, a.columns, w, OuterProduct<V>{x[r], delta}, x[r] * x[r] * s, c,
                             args.cancelled);
      mask_parts<Rule, V>(c, (int)j, a.used);
      if constexpr (kOfUnits<Rule>) of_unit = with_part<Rule>(of_unit, c.part[0]);
      for (int k = 0; k < kSums; ++k) parts[k][r][p] = with_part<Rule>(parts[k][r][p], c.part[k]);
    }
    if constexpr (kOfUnits<Rule>) store(a.unit_sums + j, of_unit);
  };
  for (ptrdiff_t j = 0; j < a.used; j += Lanes<T>::width) {
    if (fetch)
      for (int r = 0; r < kRows; ++r)
        for (int k = 0; k <= Rule::field_count; ++k) ask_for(next[r] + k * a.columns + j);
#pragma GCC unroll 2
    for (int p = 0; p < kPieces; ++p)
      if (p == 0 || j + p * V::width < a.used) piece(j + p * V::width, p);
  }
  for (int r = 0; r < kRows; ++r) {
    a.input_delta[rows[r]] = sum(join(dot[r]));
    if constexpr (Rule::uses_sensitivity) a.input_sensitivity[rows[r]] = sum(join(squared_dot[r]));
    for (int k = 0; k < kSums; ++k) a.row_sums[k][rows[r]] = total_of<Rule>(join(parts[k][r]));
  }
}

template <class Rule, class T>
void measure(UpdateArgs<T>& args) {
  using V = Register<T>;
  const UpdateArgs<T> a = args;  // a copy, since vector stores may change anything else
  auto c = make_context<Rule, true, false, V>(a);
  auto visit = [&]<int kRows>() __attribute__((always_inline)) {
    for (int i = 0; i < a.row_count; i += kRows) measure_rows<Rule, kRows>(a, args, c, a.rows + i);
  };
  if (kGroupsRows<Rule> && rows_are_long(a)) visit.template operator()<4>();
  else visit.template operator()<1>();
  measure_bias<Rule>(a, args, c);
}

template <class Rule, class T>
void measure_by_output(UpdateArgs<T>& args) {
  using V = Register<T>;
  constexpr int kPieces = Lanes<T>::width / V::width;
  const UpdateArgs<T> a = args;
  auto c = make_context<Rule, true, false, V>(a);
  V units[kOfUnits<Rule> ? kFewOutputs : 1][kPieces];
  for (auto& unit : units)
    for (V& part : unit) part = V(kNoPart<Rule, T>);
  auto piece = [&](int j, int p) __attribute__((always_inline)) {
    const V x = load_register(a.x + j);
    V dot(0), squared_dot(0), parts[kMaxSums][1];
    clear_parts<Rule>(parts);
    for (int k = 0; k < a.used; ++k) {
      T* const weights = a.weights + k * a.output_stride + j;
      const V w = load_register(weights), delta(a.delta[k]);
      V d(0);
      dot = fma(w, delta, dot);
      if constexpr (Rule::uses_sensitivity) {
        const V s(a.sensitivity[k]);
        squared_dot = fma(w * w, s, squared_dot);
        d = x * x * s;
      }
      for (int i = 0; i < Rule::clock_count; ++i)
        c.correction[i] = max(load_register(a.row_correction[i] + j), V(a.column_correction[i][k]));
      find_anchor(a, c, weights);
      measure_register<Rule>(weights, a.columns, w, OuterProduct<V>{x, delta}, d, c, args.cancelled);
      mask_parts<Rule, V>(c, j, a.inputs);
      if constexpr (kOfUnits<Rule>) units[k][p] = with_part<Rule>(units[k][p], c.part[0]);
      else
        for (int i = 0; i < Rule::sums.count; ++i) parts[i][0] = with_part<Rule>(parts[i][0], c.part[i]);
    }
    auto put = [&](T* into, V all) { store(into + j, a.rests ? select(x != V(0), all, V(0)) : all); };
    if (a.propagates) {
      put(a.input_delta, dot);
      if constexpr (Rule::uses_sensitivity) put(a.input_sensitivity, squared_dot);
    }
    if constexpr (!kOfUnits<Rule>)
      for (int i = 0; i < Rule::sums.count; ++i) store(a.row_sums[i] + j, parts[i][0]);
  };
  for (int j = 0; a.propagates && is_sparse<T>(a.row_count, a.inputs) && j < a.inputs; j += V::width) {
    store(a.input_delta + j, V(0));
    if constexpr (Rule::uses_sensitivity) store(a.input_sensitivity + j, V(0));
  }
  visit_vectors<T>(a.rows, a.row_count, a.inputs, [&](int j) __attribute__((always_inline)) {
    for (int p = 0; p < kPieces; ++p) piece(j + p * V::width, p);
  });
  if constexpr (kOfUnits<Rule>)
    for (int k = 0; k < a.used; ++k) a.unit_sums[k] = with_part<Rule>(a.unit_sums[k], total_of<Rule>(join(units[k])));
  measure_bias<Rule>(a, args, c);
}

template <class Rule, class T>
void measure_stored(StoredUpdateArgs<T>& a) {
  using V = Register<T>;
  constexpr int kPieces = Lanes<T>::width / V::width;
  auto c = make_context<Rule, true, false, V>(a);
  V parts[kMaxSums][kPieces];
  clear_parts<Rule>(parts);
  for (int j = 0; j < a.used; j += V::width) {
    begin_register<Rule, V>(a, c, j);
    const V d = a.sensitivity ? load_register(a.sensitivity + j) : V(0);
    const V w = load_register(a.weights + j);
    measure_register<Rule>(a.weights + j, a.columns, w, Stored<V>{load_register(a.gradient + j)}, d, c, a.cancelled);
    mask_parts<Rule, V>(c, j, a.used);
    if (a.unit_sums) add_to_unit<Rule>(a.unit_sums + j, c.part[0]);
    for (int k = 0; k < Rule::sums.count; ++k) {
      V& part = parts[k][j / V::width % kPieces];
      part = with_part<Rule>(part, c.part[k]);
    }
  }
  for (int k = 0; k < Rule::sums.count; ++k) a.sums[k] = total_of<Rule>(join(parts[k]));
}

template <class Rule, class T>
bool conclude_units(const T* sums, T* factors, int n, const double* shared) {
  using V = Lanes<T>;
  V s[kMaxShared];
  for (int i = 0; i < Rule::shared_count; ++i) s[i] = V((T)shared[i]);
  bool moved = false;
  for (int j = 0; j < n; j += V::width) {
    const V factor = Rule::conclude_unit(load(sums + j), s);
    store(factors + j, factor);
    moved |= !all(factor == V(1));
  }
  return moved;
}

STREAMDL_END
