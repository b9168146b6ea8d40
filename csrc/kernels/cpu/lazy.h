// Rows that were silent for a while make up for the updates that they slept through: x = 0 in each of them.
#pragma once

#include "kernels/cpu/measure.h"

STREAMDL_BEGIN

// Registers of a row that go abreast, since each has to wait for its own last update.
template <class Rule>
inline constexpr int kAbreastOf = Rule::field_count == 0   ? 8
                                  : Rule::field_count == 1 ? 6
                                                           : 4;

// False, and nothing written, where a value is not finite, nor would have become so again, or the quick formulas did not
// hold.
template <class Rule, int kAbreast, class T, class C>
STREAMDL_HD bool catch_up_abreast(const UpdateArgs<T>& a, C& c, T* p, uint32_t missed, Register<T>& most) {
  using V = Register<T>;
  V w[kAbreast], anchor[kAbreast], f[kAbreast][Rule::field_count + 1];
  for (int k = 0; k < kAbreast; ++k) {
    w[k] = load_register(p + k * V::width);
    load_fields<Rule>(p + k * V::width, a.columns, f[k]);
    find_anchor(a, c, p + k * V::width);
    anchor[k] = c.anchor;
  }
  const OuterProduct<V> none{V(0), V(0)};
  auto fits = V(0) == V(0);
#pragma GCC unroll 1
  for (; missed; --missed)
#pragma GCC unroll 8
    for (int k = 0; k < kAbreast; ++k) {
      c.anchor = anchor[k];
      Rule::apply(w[k], none, V(0), f[k], c);
      w[k] = c.clipped(w[k]);
      if constexpr (Rule::uses_exponential && is_single<V>) fits = fits & grows_a_little(c.growth, c.step);
    }
  if constexpr (Rule::field_count > 0) {
    for (int k = 0; k < kAbreast; ++k)
      fits = fits & (with_fields<Rule, Rule::apply_writes, true>(w[k] * V(0), f[k]) == V(0));
    if (!all(fits)) [[unlikely]]
      return false;
  }
  for (int k = 0; k < kAbreast; ++k) {
    store(p + k * V::width, w[k]);
    store_fields<Rule, Rule::apply_writes>(p + k * V::width, a.columns, f[k]);
    most = max(abs(w[k]), most);
  }
  return true;
}

// Of the listed rows only fields change, in one update or in as many as each missed. Where the rule adds up before it
// writes, they contribute.
template <class Rule, class T>
void fade(UpdateArgs<T>& args) {
  using V = Register<T>;
  constexpr int kAbreast = 8, kFields = Rule::field_count, kPieces = Lanes<T>::width / V::width;
  constexpr bool adds = Rule::sums.before, to_units = adds && kOfUnits<Rule>;
  static_assert(!adds || Rule::sums.count == 1);
  const UpdateArgs<T> a = args;
  auto c = make_context<Rule, false, true, V>(a);
  V part[kPieces];
  auto piece = [&]<int kCount>(T* row, const T* next, int j, uint32_t n) __attribute__((always_inline)) {
    V f[kCount][kFields];
    for (int r = 0; r < kCount; ++r)
      for (int k = 0; k < kFields; ++k)
        if (const ptrdiff_t field = (k + 1) * a.columns + j + r * V::width; Rule::fading >> k & 1) {
          ask_for(next + field);
          f[r][k] = load_register(row + field);
        }
    if constexpr (adds) {  // rows whose sums are wanted wait for nothing
      for (int r = 0; r < kCount; ++r) {
        const int at = j + r * V::width;
        Rule::fade(f[r], c);
        mask_parts<Rule, V>(c, at, a.used);
        if constexpr (to_units) add_to_unit<Rule>(a.unit_sums + at, c.part[0]);
        else part[at / V::width % kPieces] = with_part<Rule>(part[at / V::width % kPieces], c.part[0]);
      }
    } else {
#pragma GCC unroll 1
      for (; n; --n)
#pragma GCC unroll 8
        for (int r = 0; r < kCount; ++r) Rule::fade(f[r], c);
    }
    for (int r = 0; r < kCount; ++r) store_fields<Rule, Rule::fading>(row + j + r * V::width, a.columns, f[r]);
  };
  for (int i = 0; i < a.row_count; ++i) {
    T* const row = a.weights + a.rows[i] * a.row_stride;
    const T* const next = a.weights + a.rows[i + 1] * a.row_stride;
    const uint32_t updates = a.missed ? a.missed[i] : 1;
    for (V& p : part) p = V(kNoPart<Rule, T>);
    int j = 0;
    for (; j + kAbreast * V::width <= a.used; j += kAbreast * V::width)
      piece.template operator()<kAbreast>(row, next, j, updates);
    for (; j < a.used; j += V::width) piece.template operator()<1>(row, next, j, updates);
    if constexpr (adds && !to_units) a.row_sums[0][a.rows[i]] = total_of<Rule>(join(part));
  }
}

// The rows that are listed take their leaps.
template <int kFields, class T>
void leap(UpdateArgs<T>& args) {
  using V = Register<T>;
  const UpdateArgs<T> a = args;
  V most(0);
  alignas(kAlignment) T normal[kNormals];
  for (int i = 0; i < a.row_count; ++i) {
    const Leap<T>& l = a.leaps[a.missed[i]];
    T* const row = a.weights + a.rows[i] * a.row_stride;
    const T* const next = a.weights + a.rows[i + 1] * a.row_stride;
    const V weight_of_weight(l.weight_of_weight), weight_of_field(l.weight_of_field), deviation(l.deviation);
    const V field_of_weight(l.field_of_weight), field_of_field(l.field_of_field);
    const V weight_of_first(l.weight_of_first), field_of_first(l.field_of_first);
    const bool draws = l.deviation != T(0);
    for (int j = 0; j < a.used; j += V::width) {
      for (int k = 0; k <= kFields; ++k) ask_for(next + k * a.columns + j);
      T* const p = row + j;
      const V old = load_register(p), first = a.anchor ? load_register(p + a.anchor) : V(0);
      V w = fma(weight_of_weight, old, weight_of_first * first);
      if (draws) {
        if (j % kNormals == 0)
          draw_normals(normal, (uint32_t)a.rows[i] * counters_of(a.used) + (uint32_t)j / kNormals * 16, a.noise,
                       a.used - j);
        w = fnma(deviation, load_register(normal + j % kNormals), w);
      }
      if constexpr (kFields > 0) {
        T* const field = p + a.columns;
        const V f = load_register(field);
        w = fma(weight_of_field, f, w);
        const V g = fma(field_of_weight, old, fma(field_of_field, f, field_of_first * first));
        const auto sound = fma(g, V(0), w * V(0)) == V(0);
        w = select(sound, w, old);
        store(field, select(sound, flushed(g), f));
        args.cancelled += (uint64_t)(V::width - __builtin_popcount(to_bits(sound)));
      }
      store(p, w);
      most = max(abs(w), most);
    }
  }
  args.largest = largest_of(most, args.largest);
}

template <class Rule, bool kDecay, class T>
void catch_up(UpdateArgs<T>& args) {
  using V = Register<T>;
  constexpr int kAbreast = kAbreastOf<Rule>;
  const UpdateArgs<T> a = args;
  auto quick = make_context<Rule, kDecay, true, V>(a);
  auto careful = make_context<Rule, kDecay, false, V>(a);
  V most(0);
  auto piece = [&]<int kCount>(auto& c, T* p, uint32_t n) __attribute__((always_inline)) {
    if (catch_up_abreast<Rule, kCount>(a, c, p, n, most)) return;
    const OuterProduct<V> none{V(0), V(0)};
    for (int k = 0; k < kCount; ++k, p += V::width) {
      find_anchor(a, careful, p);
      for (uint32_t i = 0; i < n; ++i)
        most = max(abs(update_carefully<Rule>(p, a.columns, none, V(0), careful, args.cancelled)), most);
    }
  };
  auto pass = [&](auto& c) __attribute__((always_inline)) {
    for (int i = 0; i < a.row_count; ++i) {
      T* const row = a.weights + a.rows[i] * a.row_stride;
      const T* const next = a.weights + a.rows[i + 1] * a.row_stride;
      int j = 0;
      for (; j + kAbreast * V::width <= a.used; j += kAbreast * V::width) {
        for (int k = 0; k <= Rule::field_count; ++k)
          for (int r = 0; r < kAbreast; ++r) ask_for(next + k * a.columns + j + r * V::width);
        piece.template operator()<kAbreast>(c, row + j, a.missed[i]);
      }
      for (; j < a.used; j += V::width) piece.template operator()<1>(c, row + j, a.missed[i]);
    }
  };
  if constexpr (kDecay) {
    if (is_free(a)) {
      Free<decltype(quick)> free{quick};
      pass(free);
    } else {
      pass(quick);
    }
  } else {
    pass(quick);
  }
  args.largest = largest_of(most, args.largest);
}

STREAMDL_END
