// The vector type without any vector instructions: the plain version that every other set must equal.
//
// Lanes<float> has 16 lanes and Lanes<double> has 8 on every instruction set; sums run down a fixed
// tree, so all sets give the same bits.
#pragma once

#include "math/number.h"

// Calls, not inlined code: sixteen unrolled lanes in every formula of every kernel take the compiler
// minutes, and this set is for being right.
#define STREAMDL_PLAIN inline __attribute__((noinline))

STREAMDL_BEGIN

template <class T>
struct Lanes {
  static constexpr int width = 64 / (int)sizeof(T);
  T lane[width];

  // One truth value per lane.
  struct Mask {
    bool lane[width];
  };

  Lanes() = default;
  STREAMDL_PLAIN Lanes(T a) {
    for (int i = 0; i < width; ++i) lane[i] = a;
  }
};

template <class T>
struct NumberOf<Lanes<T>> {
  using type = T;
};

//---------------------------------------------------------------------------- load and store

// Any address; rows of weights are 64-byte aligned, so this costs nothing there.
template <class T>
STREAMDL_PLAIN Lanes<T> load(const T* p) {
  Lanes<T> r;
  for (int i = 0; i < r.width; ++i) r.lane[i] = p[i];
  return r;
}
template <class T>
STREAMDL_PLAIN void store(T* p, Lanes<T> a) {
  for (int i = 0; i < a.width; ++i) p[i] = a.lane[i];
}
// The first n lanes, 0 in the others; load_first reads no further.
template <class T>
STREAMDL_PLAIN Lanes<T> load_first(const T* p, int n) {
  Lanes<T> r;
  for (int i = 0; i < r.width; ++i) r.lane[i] = i < n ? p[i] : T(0);
  return r;
}
template <class T>
STREAMDL_PLAIN Lanes<T> keep_first(Lanes<T> a, int n) {
  for (int i = 0; i < a.width; ++i) a.lane[i] = i < n ? a.lane[i] : T(0);
  return a;
}

// out[index[i]] += x w[i] for four indices that differ, each sum rounded once.
template <class T>
STREAMDL_PLAIN void add_to_four(T* out, const int32_t* index, T x, const T* w) {
  for (int i = 0; i < 4; ++i) out[index[i]] = fma(x, w[i], out[index[i]]);
}
// Lane i from p[index[i]].
template <class T>
STREAMDL_PLAIN Lanes<T> gather(const T* p, const int32_t* index) {
  Lanes<T> r;
  for (int i = 0; i < r.width; ++i) r.lane[i] = p[index[i]];
  return r;
}

//---------------------------------------------------------------------------- lane by lane

#define STREAMDL_EACH(expression)                                     \
  Lanes<T> r;                                                         \
  for (int i = 0; i < Lanes<T>::width; ++i) r.lane[i] = (expression); \
  return r
#define STREAMDL_EACH_MASK(expression)                                \
  typename Lanes<T>::Mask r;                                          \
  for (int i = 0; i < Lanes<T>::width; ++i) r.lane[i] = (expression); \
  return r

template <class T> STREAMDL_PLAIN Lanes<T> operator+(Lanes<T> a, Lanes<T> b) { STREAMDL_EACH(a.lane[i] + b.lane[i]); }
template <class T> STREAMDL_PLAIN Lanes<T> operator-(Lanes<T> a, Lanes<T> b) { STREAMDL_EACH(a.lane[i] - b.lane[i]); }
template <class T> STREAMDL_PLAIN Lanes<T> operator*(Lanes<T> a, Lanes<T> b) { STREAMDL_EACH(a.lane[i] * b.lane[i]); }
template <class T> STREAMDL_PLAIN Lanes<T> operator/(Lanes<T> a, Lanes<T> b) { STREAMDL_EACH(a.lane[i] / b.lane[i]); }
template <class T> STREAMDL_PLAIN Lanes<T> operator-(Lanes<T> a) { STREAMDL_EACH(-a.lane[i]); }
template <class T> STREAMDL_PLAIN Lanes<T> fma(Lanes<T> a, Lanes<T> b, Lanes<T> c) {
  STREAMDL_EACH(fma(a.lane[i], b.lane[i], c.lane[i]));
}
template <class T> STREAMDL_PLAIN Lanes<T> fnma(Lanes<T> a, Lanes<T> b, Lanes<T> c) {
  STREAMDL_EACH(fnma(a.lane[i], b.lane[i], c.lane[i]));
}
template <class T> STREAMDL_PLAIN Lanes<T> fms(Lanes<T> a, Lanes<T> b, Lanes<T> c) {
  STREAMDL_EACH(fms(a.lane[i], b.lane[i], c.lane[i]));
}
template <class T> STREAMDL_PLAIN Lanes<T> sqrt(Lanes<T> a) { STREAMDL_EACH(sqrt(a.lane[i])); }
template <class T> STREAMDL_PLAIN Lanes<T> abs(Lanes<T> a) { STREAMDL_EACH(abs(a.lane[i])); }
template <class T> STREAMDL_PLAIN Lanes<T> min(Lanes<T> a, Lanes<T> b) { STREAMDL_EACH(min(a.lane[i], b.lane[i])); }
template <class T> STREAMDL_PLAIN Lanes<T> max(Lanes<T> a, Lanes<T> b) { STREAMDL_EACH(max(a.lane[i], b.lane[i])); }
template <class T> STREAMDL_PLAIN Lanes<T> copysign(Lanes<T> a, Lanes<T> b) {
  STREAMDL_EACH(copysign(a.lane[i], b.lane[i]));
}
template <class T> STREAMDL_PLAIN Lanes<T> round(Lanes<T> a) { STREAMDL_EACH(round(a.lane[i])); }
template <class T> STREAMDL_PLAIN Lanes<T> scale(Lanes<T> a, Lanes<T> n) { STREAMDL_EACH(scale(a.lane[i], n.lane[i])); }
template <class T> STREAMDL_PLAIN Lanes<T> rough_inverse(Lanes<T> a) { STREAMDL_EACH(rough_inverse(a.lane[i])); }
template <class T> STREAMDL_PLAIN Lanes<T> split(Lanes<T> a, Lanes<T>& n) {
  STREAMDL_EACH(split(a.lane[i], n.lane[i]));
}

template <class T> STREAMDL_PLAIN typename Lanes<T>::Mask operator<(Lanes<T> a, Lanes<T> b) {
  STREAMDL_EACH_MASK(a.lane[i] < b.lane[i]);
}
template <class T> STREAMDL_PLAIN typename Lanes<T>::Mask operator<=(Lanes<T> a, Lanes<T> b) {
  STREAMDL_EACH_MASK(a.lane[i] <= b.lane[i]);
}
template <class T> STREAMDL_PLAIN typename Lanes<T>::Mask operator>(Lanes<T> a, Lanes<T> b) {
  STREAMDL_EACH_MASK(a.lane[i] > b.lane[i]);
}
template <class T> STREAMDL_PLAIN typename Lanes<T>::Mask operator>=(Lanes<T> a, Lanes<T> b) {
  STREAMDL_EACH_MASK(a.lane[i] >= b.lane[i]);
}
template <class T> STREAMDL_PLAIN typename Lanes<T>::Mask operator==(Lanes<T> a, Lanes<T> b) {
  STREAMDL_EACH_MASK(a.lane[i] == b.lane[i]);
}
template <class T> STREAMDL_PLAIN typename Lanes<T>::Mask operator!=(Lanes<T> a, Lanes<T> b) {
  STREAMDL_EACH_MASK(a.lane[i] != b.lane[i]);
}

STREAMDL_PLAIN Lanes<float>::Mask operator&(Lanes<float>::Mask a, Lanes<float>::Mask b) {
  for (int i = 0; i < 16; ++i) a.lane[i] = a.lane[i] && b.lane[i];
  return a;
}
STREAMDL_PLAIN Lanes<double>::Mask operator&(Lanes<double>::Mask a, Lanes<double>::Mask b) {
  for (int i = 0; i < 8; ++i) a.lane[i] = a.lane[i] && b.lane[i];
  return a;
}

#undef STREAMDL_EACH
#undef STREAMDL_EACH_MASK

template <class T>
STREAMDL_PLAIN Lanes<T> select_lanes(const bool* mask, Lanes<T> a, Lanes<T> b) {
  Lanes<T> r;
  for (int i = 0; i < r.width; ++i) r.lane[i] = mask[i] ? a.lane[i] : b.lane[i];
  return r;
}
STREAMDL_PLAIN Lanes<float> select(Lanes<float>::Mask m, Lanes<float> a, Lanes<float> b) {
  return select_lanes(m.lane, a, b);
}
STREAMDL_PLAIN Lanes<double> select(Lanes<double>::Mask m, Lanes<double> a, Lanes<double> b) {
  return select_lanes(m.lane, a, b);
}

// Bit i is lane i.
template <int n>
STREAMDL_PLAIN uint32_t mask_bits(const bool (&mask)[n]) {
  uint32_t bits = 0;
  for (int i = 0; i < n; ++i) bits |= (uint32_t)mask[i] << i;
  return bits;
}
STREAMDL_PLAIN uint32_t to_bits(Lanes<float>::Mask m) { return mask_bits(m.lane); }
STREAMDL_PLAIN uint32_t to_bits(Lanes<double>::Mask m) { return mask_bits(m.lane); }
STREAMDL_PLAIN bool any(Lanes<float>::Mask m) { return to_bits(m) != 0; }
STREAMDL_PLAIN bool any(Lanes<double>::Mask m) { return to_bits(m) != 0; }
STREAMDL_PLAIN bool all(Lanes<float>::Mask m) { return to_bits(m) == 0xffffu; }
STREAMDL_PLAIN bool all(Lanes<double>::Mask m) { return to_bits(m) == 0xffu; }

//---------------------------------------------------------------------------- across lanes

// The fixed tree: lane i + lane i + width/2, then width/4, ... On every instruction set.
template <class T>
STREAMDL_PLAIN T sum(Lanes<T> a) {
  for (int half = a.width / 2; half; half /= 2)
    for (int i = 0; i < half; ++i) a.lane[i] = a.lane[i] + a.lane[i + half];
  return a.lane[0];
}
// Four sums at once, each the same tree; a vector set can transpose instead of reducing four times.
template <class T>
STREAMDL_PLAIN void sum4(Lanes<T> a, Lanes<T> b, Lanes<T> c, Lanes<T> d, T (&out)[4]) {
  out[0] = sum(a);
  out[1] = sum(b);
  out[2] = sum(c);
  out[3] = sum(d);
}
// The largest lane of a vector without NaN.
template <class T>
STREAMDL_PLAIN T maximum(Lanes<T> a) {
  for (int half = a.width / 2; half; half /= 2)
    for (int i = 0; i < half; ++i) a.lane[i] = max(a.lane[i], a.lane[i + half]);
  return a.lane[0];
}

//---------------------------------------------------------------------------- 32-bit words, for random numbers

// Sixteen unsigned 32-bit words.
struct Words {
  static constexpr int width = 16;
  uint32_t lane[width];
  Words() = default;
  STREAMDL_PLAIN Words(uint32_t a) {
    for (int i = 0; i < width; ++i) lane[i] = a;
  }
};
STREAMDL_PLAIN Words iota() {  // 0, 1, 2, ..., 15
  Words r;
  for (int i = 0; i < 16; ++i) r.lane[i] = (uint32_t)i;
  return r;
}
STREAMDL_PLAIN void store(uint32_t* p, Words a) {
  for (int i = 0; i < 16; ++i) p[i] = a.lane[i];
}
STREAMDL_PLAIN Words operator+(Words a, Words b) {
  for (int i = 0; i < 16; ++i) a.lane[i] += b.lane[i];
  return a;
}
STREAMDL_PLAIN Words operator^(Words a, Words b) {
  for (int i = 0; i < 16; ++i) a.lane[i] ^= b.lane[i];
  return a;
}
// The 64-bit product of every lane with one number, as its high and low words.
STREAMDL_PLAIN Words multiply(Words a, uint32_t b, Words& high) {
  Words low;
  for (int i = 0; i < 16; ++i) {
    const uint64_t product = (uint64_t)a.lane[i] * b;
    high.lane[i] = (uint32_t)(product >> 32);
    low.lane[i] = (uint32_t)product;
  }
  return low;
}
// (a >> 8) * 2^-24, uniform in [0, 1): exact in float.
STREAMDL_PLAIN Lanes<float> to_unit(Words a) {
  Lanes<float> r;
  for (int i = 0; i < 16; ++i) r.lane[i] = (float)(a.lane[i] >> 8) * 0x1p-24f;
  return r;
}

// The sixteen floats as two times eight doubles.
STREAMDL_PLAIN void widen(Lanes<float> a, Lanes<double>& first, Lanes<double>& second) {
  for (int i = 0; i < 8; ++i) {
    first.lane[i] = (double)a.lane[i];
    second.lane[i] = (double)a.lane[i + 8];
  }
}
// Back, each rounded once.
STREAMDL_PLAIN Lanes<float> narrow(Lanes<double> first, Lanes<double> second) {
  Lanes<float> r;
  for (int i = 0; i < 8; ++i) {
    r.lane[i] = (float)first.lane[i];
    r.lane[i + 8] = (float)second.lane[i];
  }
  return r;
}

STREAMDL_END
