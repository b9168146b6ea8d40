// Loops over units: activations, layer norm, dropout. They cost O(units), not O(weights).
#pragma once

#include "kernels/cpu/dense.h"
#include "kernels/cpu/noise.h"
#include "math/philox.h"
#include "rules/activations.h"
#include "rules/plasticity/continual_backprop.h"

STREAMDL_BEGIN

// Zeros behind the n numbers, up to a whole vector.
template <class T>
STREAMDL_HD void clear_padding(T* out, int n) {
  for (int i = n; i < padded<T>(n); ++i) out[i] = T(0);
}

//---------------------------------------------------------------------------- activations

// An input was written by somebody else, and mostly lies far away.
template <class T>
inline constexpr int kAheadInLook = 2048 / sizeof(T);

template <class T>
bool look(const T* in, int n, Emitted<T>* seen) {
  using V = Lanes<T>;
  V most[4] = {V(0), V(0), V(0), V(0)};  // side by side, so that none waits for the last
  auto sound = V(0) == V(0);
  int count = 0;
  auto take = [&](const T* at, V& mine) __attribute__((always_inline)) {
    __builtin_prefetch(at + kAheadInLook<T>);
    const V x = load(at), size = abs(x);
    mine = max(size, mine);
    sound = sound & (size <= V(kFinite<T>));
    count += __builtin_popcount(to_bits(x != V(0)));
  };
  int j = 0;
  for (; j + 3 * V::width < n; j += 4 * V::width)
    for (int i = 0; i < 4; ++i) take(in + j + i * V::width, most[i]);
  for (; j < n; j += V::width) take(in + j, most[0]);
  *seen = {count, maximum(max(max(most[0], most[1]), max(most[2], most[3])))};
  return all(sound);
}

template <class A, class T>
bool emit(const T* a, T* h, int n, int32_t* active, Emitted<T>* emitted) {
  using V = Lanes<T>;
  V most(0);
  int count = 0;
  bool finite = true;
  for (int j = 0; j < n; j += V::width) {
    const bool whole = j + V::width <= n;
    const V in = whole ? load(a + j) : load_first(a + j, n - j);
    finite &= all(abs(in) <= V(kFinite<T>));
    V out = A::value(in);
    if (!A::keeps_zero && !whole) out = keep_first(out, n - j);
    most = max(abs(out), most);
    store(h + j, out);
    const auto on = out != V(0);
    count += active ? store_positions<T>(on, j, active + count) : __builtin_popcount(to_bits(on));
  }
  if (active)
    for (int k = 0; k < kRowsBehind; ++k) active[count + k] = spare_row(n);
  *emitted = {count, maximum(most)};
  return finite;
}

template <class A, class T>
void activate_back(const T* a, const T* h, const T* out_delta, T* in_delta, const T* out_sensitivity, T* in_sensitivity,
                   int n) {
  using V = Lanes<T>;
  for (int j = 0; j < n; j += V::width) {
    const V value = load(h + j), slope = A::slope(load(a + j), value);
    V delta = load(out_delta + j) * slope, s(0);
    if (out_sensitivity) s = load(out_sensitivity + j) * (slope * slope);
    if constexpr (A::silent_is_flat) {  // what stands there for a silent unit is from an older example
      delta = select(value != V(0), delta, V(0));
      s = select(value != V(0), s, V(0));
    }
    store(in_delta + j, delta);  // padding is 0 times a slope
    if (out_sensitivity) store(in_sensitivity + j, s);
  }
}

//---------------------------------------------------------------------------- layer norm

template <class T>
T sum_of(const T* in, int n) {
  using V = Lanes<T>;
  V total(0);
  for (int j = 0; j < n; j += V::width) total = total + load(in + j);
  return sum(total);
}

template <class T>
bool normalize(const T* a, T* normalized, T* inverse_deviation, int n) {
  using V = Lanes<T>;
  const T mean = sum_of(a, n) / (T)n;
  for (int j = 0; j < n; j += V::width) store(normalized + j, load(a + j) - V(mean));
  clear_padding(normalized, n);
  V squares(0);
  for (int j = 0; j < n; j += V::width) {
    const V x = load(normalized + j);
    squares = fma(x, x, squares);
  }
  const T inverse = T(1) / sqrt(sum(squares) / (T)n + (T)1e-5);
  bool finite = true;
  for (int j = 0; j < n; j += V::width) {
    const V x = load(normalized + j) * V(inverse);
    finite &= all(abs(x) <= V(kFinite<T>));
    store(normalized + j, x);
  }
  *inverse_deviation = inverse;
  return finite && inverse > T(0);  // 0 where the variance overflowed
}

// The Jacobian is (I - 1/n - z z'/n) / deviation, with z the normalised vector; deltas pass through it,
// sensitivities through the squares of its entries.
template <class T>
void normalize_back(const T* normalized, T inverse_deviation, const T* out_delta, T* in_delta, const T* out_sensitivity,
                    T* in_sensitivity, int n) {
  using V = Lanes<T>;
  const V share((T)1 / (T)n), inverse(inverse_deviation);
  V s0(0), s1(0);
  for (int j = 0; j < n; j += V::width) {
    const V delta = load(out_delta + j);
    s0 = s0 + delta;
    s1 = fma(delta, load(normalized + j), s1);
  }
  const V mean(sum(s0) / (T)n), slope(sum(s1) / (T)n);
  for (int j = 0; j < n; j += V::width) {
    const V z = load(normalized + j);
    store(in_delta + j, (load(out_delta + j) - mean - z * slope) * inverse);
  }
  clear_padding(in_delta, n);
  if (!out_sensitivity) return;
  V t0(0), t1(0), t2(0);
  for (int j = 0; j < n; j += V::width) {
    const V s = load(out_sensitivity + j), z = load(normalized + j);
    t0 = t0 + s;
    t1 = fma(s, z, t1);
    t2 = fma(s * z, z, t2);
  }
  const V sum0(sum(t0)), sum1(sum(t1)), sum2(sum(t2));
  for (int j = 0; j < n; j += V::width) {
    const V s = load(out_sensitivity + j), z = load(normalized + j);
    const V own = s * (V(1) - V(2) * (V(1) + z * z) * share);
    const V cross = (sum0 + V(2) * z * sum1 + z * z * sum2) * share * share;
    store(in_sensitivity + j, (own + cross) * inverse * inverse);
  }
  clear_padding(in_sensitivity, n);
}

template <class T>
bool affine(const T* normalized, const T* gain, const T* shift, T* out, int n) {
  using V = Lanes<T>;
  bool finite = true;
  for (int j = 0; j < n; j += V::width) {
    const V x = fma(load(gain + j), load(normalized + j), load(shift + j));
    finite &= all(abs(x) <= V(kFinite<T>));
    store(out + j, x);
  }
  clear_padding(out, n);
  return finite;
}

//---------------------------------------------------------------------------- dropout

template <class T>
void multiply(const T* a, const T* b, T* out, int n) {
  using V = Lanes<T>;
  for (int j = 0; j < n; j += V::width) store(out + j, load(a + j) * load(b + j));
  clear_padding(out, n);
}

// Sixteen units share one call of the generator: its first words decide.
template <class T>
bool drop(const T* in, T* out, T* gate, int n, double rate, const uint32_t* counter, const uint32_t* key) {
  const float threshold = (float)rate;
  const T kept = (T)(1 / (1 - rate));
  bool finite = true;
  for (int j = 0; j < n; j += 16) {
    Words words[4];
    philox(Words(counter[0] + (uint32_t)j) + iota(), counter[1], counter[2], counter[3], key[0], key[1], words);
    float unit[16];
    store(unit, to_unit(words[0]));
    for (int k = 0; k < 16 && j + k < n; ++k) {
      gate[j + k] = unit[k] < threshold ? T(0) : kept;
      out[j + k] = unit[k] < threshold ? T(0) : in[j + k] * kept;
      finite &= abs(out[j + k]) <= kFinite<T>;
    }
  }
  clear_padding(gate, n);
  clear_padding(out, n);
  return finite;
}

//---------------------------------------------------------------------------- perturbation

template <class T>
T perturb(T* row, int n, double shrink, double noise, const uint32_t* counter, const uint32_t* key) {
  using V = Lanes<T>;
  const V keep((T)(1 - shrink)), scale_((T)noise);
  const uint32_t from[] = {counter[0], counter[1], counter[2], counter[3], key[0], key[1]};
  alignas(kAlignment) T normal[kNormals] = {};
  V most(0);
  for (int j = 0; j < n; j += kNormals) {
    if (noise != 0) draw_normals(normal, (uint32_t)j / kNormals * 16, from, n - j);
    for (int k = 0; k < kNormals && j + k < n; k += V::width)
      store(row + j + k, fma(scale_, load(normal + k), load(row + j + k) * keep));
  }
  for (int j = 0; j < n; j += V::width) most = max(abs(load(row + j)), most);
  return maximum(most);
}

//---------------------------------------------------------------------------- draws

STREAMDL_HD void to_uniforms(Words high, Words low, double* out, int n) {
  uint32_t a[16], b[16];
  double all[16];
  store(a, high);
  store(b, low);
  for (int i = 0; i < 16; ++i) all[i] = uniform(a[i], b[i]);
  for (int i = 0; i < 16 && i < n; ++i) out[i] = all[i];
}

inline void uniforms(double* first, double* second, int n, const uint32_t* counter, const uint32_t* key) {
  for (int j = 0; j < n; j += 16) {
    Words words[4];
    philox(Words(counter[0] + (uint32_t)j) + iota(), counter[1], counter[2], counter[3], key[0], key[1], words);
    to_uniforms(words[0], words[1], first + j, n - j);
    if (second) to_uniforms(words[2], words[3], second + j, n - j);
  }
}

//---------------------------------------------------------------------------- unit utilities

template <class U, class T>
void utility(const UtilityArgs<T>& args) {
  using V = Lanes<T>;
  const UtilityArgs<T> a = args;  // a copy, since vector stores may change anything else
  const V decay(a.decay), rest(T(1) - a.decay);
  for (int j = 0; j < a.units; j += V::width) {
    V m(0), O(0), I(1);
    if constexpr (U::activation) m = abs(load(a.activation + j));
    if constexpr (U::centred) {
      const V h = load(a.activation + j);
      const V f = fma(decay, load(a.mean_activation + j), rest * h);
      store(a.mean_activation + j, f);
      m = abs(h - f * load(a.correction + j));
    }
    if (a.magnitude) m = load(a.magnitude + j);
    if constexpr (U::outgoing) O = load(a.outgoing_sum + j) * V(a.outgoing_scale);
    if constexpr (U::incoming) I = load(a.incoming_sum + j) * V(a.incoming_scale);
    store(a.utility + j, fma(decay, load(a.utility + j), rest * U::value(O, I, m)));
  }
  clear_padding(a.utility, a.units);
  if constexpr (U::centred) clear_padding(a.mean_activation, a.units);
}

//---------------------------------------------------------------------------- gauges

template <class T>
void mark_active(const T* h, int n, ptrdiff_t stride, uint64_t* positive, uint64_t* nonzero) {
  using V = Lanes<T>;
  for (int j = 0; j < n; j += 64, positive += stride) {
    uint64_t above = 0, other = 0;
    for (int k = 0; k < 64 && j + k < n; k += V::width) {
      const V value = load(h + j + k);
      above |= (uint64_t)to_bits(value > V(0)) << k;
      if (nonzero) other |= (uint64_t)to_bits(value != V(0)) << k;
    }
    *positive = above;
    if (nonzero) *nonzero = other, nonzero += stride;
  }
}

STREAMDL_END
