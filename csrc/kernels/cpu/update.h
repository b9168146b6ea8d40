// The fused pass: per weight read once, contribute to the source's error, update, sum, write once.
#pragma once

#include "kernels/cpu/dense.h"
#include "kernels/cpu/noise.h"
#include "rules/context.h"

STREAMDL_BEGIN

// Rows per pass. Four rows share the loads of delta and hide the latency of their dot products; rules
// with fields, and sums in halves, fill the registers with fewer. From far caches, rows in flight count for more
// than registers; memory is fastest read as it lies. Incoming sums add up over the rows of a pass: their number
// must not change.
template <class Rule, unsigned kMode, Level kLevel>
inline constexpr int kRowsPerPass = Rule::field_count || Rule::uses_noise ? 1
                                    : kMode & kIncomingSums               ? 2
                                    : kLevel == Level::memory             ? 1
                                    : kLevel != Level::near               ? 4
                                    : kMode & kOutgoingSums && kHalves    ? 2
                                                                          : 4;

template <class Rule>
inline constexpr int kHypersOf = sizeof(Rule::hypers) / sizeof(Rule::hypers[0]);

template <class Rule>
inline constexpr int kSumsAfter = Rule::sums.before ? 0 : Rule::sums.count;
template <class Rule>
inline constexpr bool kOfUnits = Rule::sums.count > 0 && Rule::sums.scope == Scope::unit;

// Whether a rule wants d; and d of a weight with this input, from what the learner knows of the output.
template <class Rule>
inline constexpr bool kSensitive = Rule::uses_sensitivity || Rule::uses_output_slope;
template <class Rule, class V>
STREAMDL_HD V sensitivity_of(V x, V s) {
  return Rule::uses_output_slope ? abs(x) * s : x * x * s;
}

// Rules that measured before read several numbers of each output: where a row pushes those out of the first cache, rows at a
// time share the loads.
template <class Rule>
inline constexpr bool kGroupsRows = Rule::sums.before && !Rule::uses_noise;
template <class T>
STREAMDL_HD bool rows_are_long(const UpdateArgs<T>& a) {
  constexpr size_t kFirstCache = 32 << 10, kOfOutputs = 4;
  return (a.row_stride + kOfOutputs * a.columns) * sizeof(T) > kFirstCache;
}

template <class Rule, class C>
STREAMDL_HD void share(C& c, const double* shared) {
  using V = typename C::Lane;
  for (int i = 0; i < Rule::shared_count; ++i) c.shared[i] = V((Number<V>)shared[i]);
}

// Of UpdateArgs or StoredUpdateArgs.
template <class Rule, bool kDecay, bool kQuick, class V, class A>
STREAMDL_HD Context<V, kHypersOf<Rule>, kDecay, kQuick> make_context(const A& a) {
  Context<V, kHypersOf<Rule>, kDecay, kQuick> c;
  using T = Number<V>;
  for (int i = 0; i < kHypersOf<Rule>; ++i) c.hyper[i] = V((T)a.hyper[i]);
  if constexpr (Rule::takes_decays) {
    c.weight_decay = V((T)a.hyper[kHypersOf<Rule>]);
    c.decoupled_weight_decay = V((T)a.hyper[kHypersOf<Rule> + 1]);
  } else {
    c.weight_decay = c.decoupled_weight_decay = V(0);
  }
  c.correction[0] = c.correction[1] = V(1);
  c.pull = V(a.pull);
  c.clip = V(a.clip);
  c.anchor = V(0);
  if constexpr (Rule::descends_output) c.error = V(a.error);
  for (int i = 0; i < Rule::option_count; ++i) c.options[i] = a.options[i];
  share<Rule>(c, a.shared);
  return c;
}

// Where nothing draws a weight to its first value, and nothing clips it: the same numbers, with less to do.
template <class C>
struct Free : C {
  using V = typename C::Lane;
  static constexpr bool held = false;
  template <class G>
  STREAMDL_HD V gradient(const G& g, V w) const {
    return fma(this->weight_decay, w, g.value());
  }
  STREAMDL_HD V clipped(V w) const { return flushed(w); }
};
template <class T>
STREAMDL_HD bool is_free(const UpdateArgs<T>& a) {
  return !a.anchor && a.clip == (T)__builtin_inf();
}

// What contributions add up to: their sum, or the largest.
template <class Rule, class V>
STREAMDL_HD V with_part(V total, V part) {
  return Rule::sums.largest ? max(part, total) : total + part;
}
template <class Rule, class T>
STREAMDL_HD T total_of(Lanes<T> parts) {
  return Rule::sums.largest ? maximum(parts) : sum(parts);
}
template <class Rule, class T>
inline constexpr T kNoPart = Rule::sums.largest ? -kFinite<T> : T(0);

// w, and NaN where a field that was written is not finite; without `kAll`, those that the weight shows are left out.
template <class Rule, unsigned kWritten, bool kAll, class V>
STREAMDL_HD V with_fields(V w, const V* f) {
  constexpr unsigned kLooked = kAll ? kWritten : kWritten & ~Rule::shown_by_weight;
  for (int k = 0; k < Rule::field_count; ++k)
    if (kLooked >> k & 1) w = fma(f[k], V(0), w);
  return w;
}

// Of the weights at p, where they have first values.
template <class A, class C, class T>
STREAMDL_HD void find_anchor(const A& a, C& c, const T* p) {
  if constexpr (C::held)
    if (a.anchor) c.anchor = load_register(p + a.anchor);
}

template <class Rule, class V, class T>
STREAMDL_HD void load_fields(const T* p, ptrdiff_t columns, V* f) {
  for (int k = 0; k < Rule::field_count; ++k) f[k] = load_register(p + (k + 1) * columns);
}
template <class Rule, unsigned kWritten, class V, class T>
STREAMDL_HD void store_fields(T* p, ptrdiff_t columns, const V* f) {
  for (int k = 0; k < Rule::field_count; ++k)
    if (kWritten >> k & 1) store(p + (k + 1) * columns, f[k]);
}
// Fields return to what they were where they are not sound; how many weights that concerns.
template <class Rule, unsigned kWritten, class M, class V, class T>
STREAMDL_HD uint64_t store_sound_fields(T* p, ptrdiff_t columns, M sound, const V* f) {
  for (int k = 0; k < Rule::field_count; ++k)
    if (T* field = p + (k + 1) * columns; kWritten >> k & 1) store(field, select(sound, f[k], load_register(field)));
  return (uint64_t)(V::width - __builtin_popcount(to_bits(sound)));
}

// The update of one register of weights at `p`, their fields `columns` further on each. False, and nothing
// written, where the quick formulas do not hold, a value is not finite or |w| exceeds the limit; a bounded
// update was known beforehand to do, or is looked at for growth alone.
template <class Rule, bool kBounded, class V, class T, class G, class C>
STREAMDL_HD bool update_quickly(T* p, ptrdiff_t columns, V& w, const G& g, V d, C& c, V limit) {
  if constexpr (Rule::field_count == 0) {  // bounded by the learner beforehand
    Rule::apply(w, g, d, (V*)nullptr, c);
    w = c.clipped(w);
  } else {
    constexpr unsigned kWritten = Rule::apply_writes;
    V f[Rule::field_count];
    load_fields<Rule>(p, columns, f);
    Rule::apply(w, g, d, f, c);
    w = c.clipped(w);
    constexpr bool grows = Rule::uses_exponential && is_single<V>;
    if constexpr (!kBounded) {
      auto fits = with_fields<Rule, kWritten, false>(abs(w), f) <= limit;
      if constexpr (grows) fits = fits & grows_a_little(c.growth, c.step);
      if (!all(fits)) [[unlikely]]
        return false;
    } else if constexpr (grows && !Rule::bounds_growth) {
      if (!all(grows_a_little(c.growth, c.step))) [[unlikely]]
        return false;
    }
    store_fields<Rule, kWritten>(p, columns, f);
  }
  store(p, w);
  return true;
}

// The same with the full formulas; returns the new weights. A weight whose new value or field is not finite
// keeps all its old ones, contributes nothing, and is counted.
template <class Rule, class V, class T, class G, class C>
STREAMDL_HD V update_carefully(T* p, ptrdiff_t columns, const G& g, V d, C& c, uint64_t& cancelled) {
  const V old = load_register(p);
  V w = old, f[Rule::field_count + 1];
  load_fields<Rule>(p, columns, f);
  Rule::apply(w, g, d, f, c);
  w = c.clipped(w);
  if constexpr (Rule::field_count > 0) {
    constexpr unsigned kWritten = Rule::apply_writes;
    const auto sound = with_fields<Rule, kWritten, true>(w * V(0), f) == V(0);
    w = select(sound, w, old);
    cancelled += store_sound_fields<Rule, kWritten>(p, columns, sound, f);
    for (int k = 0; k < kSumsAfter<Rule>; ++k) c.part[k] = select(sound, c.part[k], V(kNoPart<Rule, T>));
  }
  store(p, w);
  return w;
}

template <class V, class T>
STREAMDL_HD T largest_of(V w, T least) {
  T lane[V::width];
  store(lane, abs(w));
  for (T each : lane) least = max(each, least);
  return least;
}

// Row -1 is the bias, whose input is 1 and has been there from the start.
// `parts` gets what the weights contribute.
template <class Rule, bool kDecay, class T>
STREAMDL_COLD void repair(UpdateArgs<T>& a, T* p, int row, ptrdiff_t j, const T* noise, Register<T>* parts) {
  using V = Register<T>;
  auto c = make_context<Rule, kDecay, false, V>(a);
  if (row < 0) share<Rule>(c, a.bias_shared);
  find_anchor(a, c, p);
  if constexpr (Rule::uses_noise) c.noise = load_register(noise);
  if constexpr (kOfUnits<Rule>)
    c.unit = row < 0 && Rule::sums.biases_apart ? V(a.bias_factor) : load_register(a.unit_factors + j);
  const T x = row < 0 ? T(1) : a.x[row];
  for (int k = 0; k < Rule::clock_count; ++k)
    c.correction[k] = max(V(row < 0 ? T(1) : a.row_correction[k][row]), load_register(a.column_correction[k] + j));
  const V d = kSensitive<Rule> ? sensitivity_of<Rule>(V(x), load_register(a.sensitivity + j)) : V(0);
  const OuterProduct<V> g{V(x), load_register(a.delta + j)};
  a.largest = largest_of(update_carefully<Rule>(p, a.columns, g, d, c, a.cancelled), a.largest);
  for (int k = 0; k < kSumsAfter<Rule>; ++k) parts[k] = c.part[k];
}

template <class Rule, unsigned kMode, int kRows, bool kFetch, class T, class C>
STREAMDL_HD void update_rows(const UpdateArgs<T>& a, UpdateArgs<T>& args, C& c, const int32_t* rows) {
  using V = Register<T>;
  constexpr int kPieces = Lanes<T>::width / V::width;
  constexpr bool propagate = kMode & kPropagate, bounded = kMode & kBounded;
  constexpr bool incoming = kMode & kIncomingSums;
  constexpr bool outgoing = (kMode & kOutgoingSums) || incoming;
  const ptrdiff_t columns = a.columns;
  const T* const deltas = a.delta;
  const T* const sensitivities = a.sensitivity;
  T* const changes = a.incoming_change;
  const T* column_correction[kMaxClocks];
  for (int k = 0; k < Rule::clock_count; ++k) column_correction[k] = a.column_correction[k];
  const V limit(a.limit);
  V x[kRows], row_correction[kRows][kMaxClocks];
  V dot[kRows][kPieces], squared_dot[kRows][kPieces], total[kRows][kPieces];
  V parts[kSumsAfter<Rule> + 1][kPieces];
  alignas(kAlignment) T normal[Rule::uses_noise ? kRows : 1][kNormals];
  for (auto& of : parts)
    for (V& part : of) part = V(kNoPart<Rule, T>);
  T* row[kRows];
  const T* next[kRows];
  for (int r = 0; r < kRows; ++r) {
    x[r] = V(a.x[rows[r]]);
    for (int i = 0; i < kPieces; ++i) dot[r][i] = squared_dot[r][i] = total[r][i] = V(0);
    row[r] = a.weights + rows[r] * a.row_stride;
    next[r] = a.weights + rows[r + kRows] * a.row_stride;
    for (int k = 0; k < Rule::clock_count; ++k) row_correction[r][k] = V(a.row_correction[k][rows[r]]);
  }
  const bool in_order = kFetch && kRows == 1 && C::held && a.in_order && a.level == Level::memory;
  if (in_order)
    for (ptrdiff_t j = 0; j < columns; j += Lanes<T>::width) (void)*(const volatile T*)(row[0] + j);
  auto piece = [&](ptrdiff_t at, int i) __attribute__((always_inline)) {
    const V delta = load_register(deltas + at);
    V s(0), change(0);
    if constexpr (kSensitive<Rule>) s = load_register(sensitivities + at);
    if constexpr (kOfUnits<Rule>) c.unit = load_register(a.unit_factors + at);
    if constexpr (Rule::uses_noise)
      if (at % kNormals == 0)
        for (int r = 0; r < kRows; ++r)
          draw_normals(normal[r], (uint32_t)rows[r] * counters_of(a.used) + (uint32_t)at / kNormals * 16, a.noise,
                       a.used - (int)at);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const V old = load_register(row[r] + at);
      if constexpr (propagate) {
        dot[r][i] = fma(old, delta, dot[r][i]);
        if constexpr (Rule::uses_sensitivity) squared_dot[r][i] = fma(old * old, s, squared_dot[r][i]);
      }
      for (int k = 0; k < Rule::clock_count; ++k)
        c.correction[k] = max(row_correction[r][k], load_register(column_correction[k] + at));
      V w = old;
      const OuterProduct<V> g{x[r], delta};
      if constexpr (Rule::uses_noise) c.noise = load_register(normal[r] + at % kNormals);
      find_anchor(a, c, row[r] + at);
      if (!update_quickly<Rule, bounded>(row[r] + at, columns, w, g, sensitivity_of<Rule>(x[r], s), c, limit))
          [[unlikely]] {
        V repaired[kMaxSums];  // not those of c: who lends it out keeps none of it in registers
        repair<Rule, C::decays>(args, row[r] + at, rows[r], at, normal[Rule::uses_noise ? r : 0] + at % kNormals,
                                repaired);
        for (int k = 0; k < kSumsAfter<Rule>; ++k) c.part[k] = repaired[k];
        w = load_register(row[r] + at);
      }
      for (int k = 0; k < kSumsAfter<Rule>; ++k) parts[k][i] = with_part<Rule>(parts[k][i], c.part[k]);
      if constexpr (outgoing) total[r][i] = total[r][i] + abs(w);
      if constexpr (incoming) change = change + (abs(w) - abs(old));
    }
    if constexpr (incoming) store(changes + at, load_register(changes + at) + change);
  };
  const ptrdiff_t end = a.used;
  ptrdiff_t j = 0;
  for (; j < end - (Lanes<T>::width - V::width); j += Lanes<T>::width) {
    for (int r = 0; kFetch && !in_order && r < kRows; ++r) {
      for (int k = 0; k <= Rule::field_count; ++k) ask_for(next[r] + k * columns + j);
      if (C::held && a.anchor) ask_for(next[r] + a.anchor + j);
    }
#pragma GCC unroll 2
    for (int i = 0; i < kPieces; ++i) piece(j + i * V::width, i);
  }
  if (kPieces > 1 && j < end) piece(j, 0);  // the rest fits half of the lanes
  // What the rows summed, up to four sums at a time.
  auto put = [&](T* into, const V(&of)[kRows][kPieces]) {
    if constexpr (kRows == 1) {
      into[rows[0]] = sum(join(of[0]));
    } else {
      T out[4];
      const Lanes<T> none(0);
      sum4(join(of[0]), join(of[1]), kRows > 2 ? join(of[kRows > 2 ? 2 : 0]) : none,
           kRows > 3 ? join(of[kRows > 3 ? 3 : 0]) : none, out);
      for (int r = 0; r < kRows; ++r) into[rows[r]] = out[r];
    }
  };
  if constexpr (kRows == 2 && propagate && outgoing) {
    T out[4];
    sum4(join(dot[0]), join(dot[1]), join(total[0]), join(total[1]), out);
    for (int r = 0; r < 2; ++r) a.input_delta[rows[r]] = out[r];
    for (int r = 0; r < 2; ++r) a.outgoing_sum[rows[r]] = out[2 + r];
  } else {
    if constexpr (propagate) put(a.input_delta, dot);
    if constexpr (outgoing) put(a.outgoing_sum, total);
  }
  if constexpr (propagate && Rule::uses_sensitivity) put(a.input_sensitivity, squared_dot);
  static_assert(kSumsAfter<Rule> == 0 || kRows == 1);
  for (int k = 0; k < kSumsAfter<Rule>; ++k) a.row_sums[k][rows[0]] = total_of<Rule>(join(parts[k]));
}

// The bias is the vector behind all others; `first_draw` is where its draws begin.
template <class Rule, unsigned kMode, class T, class C>
STREAMDL_HD void update_bias(const UpdateArgs<T>& a, UpdateArgs<T>& args, C& c, uint32_t first_draw) {
  using V = Register<T>;
  constexpr int kPieces = Lanes<T>::width / V::width;
  if (!a.bias) return;
  share<Rule>(c, a.bias_shared);
  V parts[kSumsAfter<Rule> + 1][kPieces];
  for (auto& of : parts)
    for (V& part : of) part = V(kNoPart<Rule, T>);
  alignas(kAlignment) T normal[kNormals];
  for (int j = 0; j < a.used; j += V::width) {
    for (int k = 0; k < Rule::clock_count; ++k) c.correction[k] = load_register(a.column_correction[k] + j);
    V d(0), w = load_register(a.bias + j);
    if constexpr (kSensitive<Rule>) d = load_register(a.sensitivity + j);
    if constexpr (kOfUnits<Rule>)
      c.unit = Rule::sums.biases_apart ? V(a.bias_factor) : load_register(a.unit_factors + j);
    if constexpr (Rule::uses_noise) {
      if (j % kNormals == 0) draw_normals(normal, first_draw + (uint32_t)j / kNormals * 16, a.noise, a.used - j);
      c.noise = load_register(normal + j % kNormals);
    }
    find_anchor(a, c, a.bias + j);
    const OuterProduct<V> g{V(1), load_register(a.delta + j)};
    if (!update_quickly<Rule, (kMode & kBounded) != 0>(a.bias + j, a.columns, w, g, d, c, V(a.limit))) {
      V repaired[kMaxSums];
      repair<Rule, C::decays>(args, a.bias + j, -1, j, normal + j % kNormals, repaired);
      for (int k = 0; k < kSumsAfter<Rule>; ++k) c.part[k] = repaired[k];
    }
    for (int k = 0; k < kSumsAfter<Rule>; ++k) {
      V& part = parts[k][j / V::width % kPieces];
      part = with_part<Rule>(part, c.part[k]);
    }
  }
  for (int k = 0; k < kSumsAfter<Rule>; ++k) args.bias_sums[k] = total_of<Rule>(join(parts[k]));
}

template <class Rule, unsigned kMode, int kRows, bool kFetch, class T, class C>
STREAMDL_HD void update_groups(const UpdateArgs<T>& a, UpdateArgs<T>& args, C& c) {
  for (int i = 0; i < a.row_count; i += kRows) update_rows<Rule, kMode, kRows, kFetch>(a, args, c, a.rows + i);
}
template <class Rule, unsigned kMode, Level kLevel, class T, class C>
STREAMDL_HD void update_groups(const UpdateArgs<T>& a, UpdateArgs<T>& args, C& c) {
  update_groups<Rule, kMode, kRowsPerPass<Rule, kMode, kLevel>, kLevel != Level::near>(a, args, c);
}

template <class Rule, unsigned kMode, class T>
void update(UpdateArgs<T>& args) {
  using V = Register<T>;
  const UpdateArgs<T> a = args;  // a copy, since vector stores may change anything else
  auto c = make_context<Rule, (kMode & kDecay) != 0, true, V>(a);
  // Whole registers are so quick that rows from the second-level cache are worth asking for early, too.
  constexpr size_t kNear = 32 << 10;
  const bool fetch = a.level != Level::near || (!kHalves && (size_t)a.row_count * a.columns * sizeof(T) > kNear);
  auto run = [&](auto& c) __attribute__((always_inline)) {
    if constexpr (kGroupsRows<Rule> && !(kMode & kIncomingSums)) {
      if (rows_are_long(a)) update_groups<Rule, kMode, 4, true>(a, args, c);
      else update_groups<Rule, kMode, Level::far>(a, args, c);
    } else if constexpr (!Rule::many_modes) update_groups<Rule, kMode, Level::far>(a, args, c);
    else if (a.level == Level::memory) update_groups<Rule, kMode, Level::memory>(a, args, c);
    else if (fetch) update_groups<Rule, kMode, Level::far>(a, args, c);
    else update_groups<Rule, kMode, Level::near>(a, args, c);
  };
  bool done = false;
  if constexpr ((kMode & kDecay) && !(kMode & kIncomingSums) && Rule::many_modes && Rule::field_count)
    if (is_free(a)) {
      Free<decltype(c)> free{c};
      run(free);
      done = true;
    }
  if (!done) run(c);
  update_bias<Rule, kMode>(a, args, c, (uint32_t)a.inputs * counters_of(a.used));
}

template <class Rule, class V, class T, class C>
STREAMDL_HD void begin_register(const StoredUpdateArgs<T>& a, C& c, int j) {
  for (int k = 0; k < Rule::clock_count; ++k) {
    const V column = load_register(a.column_correction[k] + j);
    c.correction[k] = a.row_correction ? max(V(a.row_correction[k]), column) : column;
  }
  find_anchor(a, c, a.weights + j);
  if constexpr (kOfUnits<Rule>) c.unit = a.unit_factors ? load_register(a.unit_factors + j) : V(a.unit_factor);
}

template <class Rule, bool kDecay, class T>
void update_stored(StoredUpdateArgs<T>& a) {
  using V = Register<T>;
  constexpr int kPieces = Lanes<T>::width / V::width;
  auto c = make_context<Rule, kDecay, false, V>(a);
  V most(0), parts[kSumsAfter<Rule> + 1][kPieces];
  for (auto& of : parts)
    for (V& part : of) part = V(kNoPart<Rule, T>);
  alignas(kAlignment) T normal[kNormals];
  for (int j = 0; j < a.used; j += V::width) {
    begin_register<Rule, V>(a, c, j);
    if constexpr (Rule::uses_noise) {
      if (j % kNormals == 0) draw_normals(normal, a.first_draw + (uint32_t)j / kNormals * 16, a.noise, a.used - j);
      c.noise = load_register(normal + j % kNormals);
    }
    const V d = a.sensitivity ? load_register(a.sensitivity + j) : V(0);
    const Stored<V> g{load_register(a.gradient + j)};
    most = max(abs(update_carefully<Rule>(a.weights + j, a.columns, g, d, c, a.cancelled)), most);
    for (int k = 0; k < kSumsAfter<Rule>; ++k) {
      V& part = parts[k][j / V::width % kPieces];
      part = with_part<Rule>(part, c.part[k]);
    }
  }
  for (int k = 0; k < kSumsAfter<Rule>; ++k) a.sums[k] = total_of<Rule>(join(parts[k]));
  a.largest = largest_of(most, a.largest);
}

STREAMDL_END
