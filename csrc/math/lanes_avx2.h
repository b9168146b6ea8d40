// The vector type on AVX2 with FMA: sixteen floats or eight doubles in two 256-bit registers.
//
// Meant for -mavx2 -mfma. lanes_scalar.h says what every operation means; the bits are the same.
#pragma once

#include <immintrin.h>

#include "math/number.h"

STREAMDL_BEGIN

//---------------------------------------------------------------------------- one register

// Half of the lanes. A loop whose values would not fit the sixteen registers twice works on these, one
// half after the other, and joins what it summed.
template <class T>
struct Half;

template <>
struct Half<float> {
  static constexpr int width = 8;
  __m256 v;

  // All bits of a lane set where the mask holds.
  struct Mask {
    __m256 v;
  };

  Half() = default;
  STREAMDL_HD Half(float a) : v(_mm256_set1_ps(a)) {}
  STREAMDL_HD Half(__m256 a) : v(a) {}
};

template <>
struct Half<double> {
  static constexpr int width = 4;
  __m256d v;

  struct Mask {
    __m256d v;
  };

  Half() = default;
  STREAMDL_HD Half(double a) : v(_mm256_set1_pd(a)) {}
  STREAMDL_HD Half(__m256d a) : v(a) {}
};

template <class T>
struct NumberOf<Half<T>> {
  using type = T;
};

STREAMDL_HD Half<float> load_register(const float* p) { return _mm256_loadu_ps(p); }
STREAMDL_HD Half<double> load_register(const double* p) { return _mm256_loadu_pd(p); }
// Lane i from p[index[i]]. Loads and inserts take half the time of the instruction that gathers.
STREAMDL_HD __m128 gather_four(const float* p, const int32_t* index) {
  const __m128 low = _mm_insert_ps(_mm_load_ss(p + index[0]), _mm_load_ss(p + index[1]), 0x10);
  return _mm_movelh_ps(low, _mm_insert_ps(_mm_load_ss(p + index[2]), _mm_load_ss(p + index[3]), 0x10));
}
STREAMDL_HD __m128d gather_two(const double* p, const int32_t* index) {
  return _mm_loadh_pd(_mm_load_sd(p + index[0]), p + index[1]);
}
// out[index[i]] += x w[i] for four indices that differ, each sum rounded once.
STREAMDL_HD void add_to_four(float* out, const int32_t* index, float x, const float* w) {
  const __m128 sum = _mm_fmadd_ps(_mm_set1_ps(x), _mm_loadu_ps(w), gather_four(out, index));
  for (int i = 0; i < 4; ++i) out[index[i]] = sum[i];
}
STREAMDL_HD void add_to_four(double* out, const int32_t* index, double x, const double* w) {
  for (int i = 0; i < 4; i += 2) {
    const __m128d sum = _mm_fmadd_pd(_mm_set1_pd(x), _mm_loadu_pd(w + i), gather_two(out, index + i));
    _mm_storel_pd(out + index[i], sum);
    _mm_storeh_pd(out + index[i + 1], sum);
  }
}
STREAMDL_HD Half<float> gather(const float* p, const int32_t* index) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(gather_four(p, index)), gather_four(p, index + 4), 1);
}
STREAMDL_HD Half<double> gather(const double* p, const int32_t* index) {
  return _mm256_insertf128_pd(_mm256_castpd128_pd256(gather_two(p, index)), gather_two(p, index + 2), 1);
}
STREAMDL_HD void store(float* p, Half<float> a) { _mm256_storeu_ps(p, a.v); }
STREAMDL_HD void store(double* p, Half<double> a) { _mm256_storeu_pd(p, a.v); }

// One function for each of the two types.
#define STREAMDL_TWO_ARGUMENTS(name, instruction)                                                   \
  STREAMDL_HD Half<float> name(Half<float> a, Half<float> b) { return instruction##_ps(a.v, b.v); } \
  STREAMDL_HD Half<double> name(Half<double> a, Half<double> b) { return instruction##_pd(a.v, b.v); }
STREAMDL_TWO_ARGUMENTS(operator+, _mm256_add)
STREAMDL_TWO_ARGUMENTS(operator-, _mm256_sub)
STREAMDL_TWO_ARGUMENTS(operator*, _mm256_mul)
STREAMDL_TWO_ARGUMENTS(operator/, _mm256_div)
STREAMDL_TWO_ARGUMENTS(min, _mm256_min)
STREAMDL_TWO_ARGUMENTS(max, _mm256_max)
#undef STREAMDL_TWO_ARGUMENTS

#define STREAMDL_THREE_ARGUMENTS(name, instruction)                               \
  STREAMDL_HD Half<float> name(Half<float> a, Half<float> b, Half<float> c) {     \
    return instruction##_ps(a.v, b.v, c.v);                                       \
  }                                                                               \
  STREAMDL_HD Half<double> name(Half<double> a, Half<double> b, Half<double> c) { \
    return instruction##_pd(a.v, b.v, c.v);                                       \
  }
STREAMDL_THREE_ARGUMENTS(fma, _mm256_fmadd)
STREAMDL_THREE_ARGUMENTS(fnma, _mm256_fnmadd)
STREAMDL_THREE_ARGUMENTS(fms, _mm256_fmsub)
#undef STREAMDL_THREE_ARGUMENTS

// Comparisons are false where a lane is NaN, except !=.
#define STREAMDL_COMPARISON(name, predicate)                                                                        \
  STREAMDL_HD Half<float>::Mask name(Half<float> a, Half<float> b) { return {_mm256_cmp_ps(a.v, b.v, predicate)}; } \
  STREAMDL_HD Half<double>::Mask name(Half<double> a, Half<double> b) { return {_mm256_cmp_pd(a.v, b.v, predicate)}; }
STREAMDL_COMPARISON(operator<, _CMP_LT_OQ)
STREAMDL_COMPARISON(operator<=, _CMP_LE_OQ)
STREAMDL_COMPARISON(operator>, _CMP_GT_OQ)
STREAMDL_COMPARISON(operator>=, _CMP_GE_OQ)
STREAMDL_COMPARISON(operator==, _CMP_EQ_OQ)
STREAMDL_COMPARISON(operator!=, _CMP_NEQ_UQ)
#undef STREAMDL_COMPARISON

STREAMDL_HD Half<float> operator-(Half<float> a) { return _mm256_xor_ps(a.v, _mm256_set1_ps(-0.0f)); }
STREAMDL_HD Half<double> operator-(Half<double> a) { return _mm256_xor_pd(a.v, _mm256_set1_pd(-0.0)); }
STREAMDL_HD Half<float> sqrt(Half<float> a) { return _mm256_sqrt_ps(a.v); }
STREAMDL_HD Half<double> sqrt(Half<double> a) { return _mm256_sqrt_pd(a.v); }
STREAMDL_HD Half<float> abs(Half<float> a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v); }
STREAMDL_HD Half<double> abs(Half<double> a) { return _mm256_andnot_pd(_mm256_set1_pd(-0.0), a.v); }
STREAMDL_HD Half<float> copysign(Half<float> a, Half<float> b) {
  return _mm256_or_ps(abs(a).v, _mm256_and_ps(b.v, _mm256_set1_ps(-0.0f)));
}
STREAMDL_HD Half<double> copysign(Half<double> a, Half<double> b) {
  return _mm256_or_pd(abs(a).v, _mm256_and_pd(b.v, _mm256_set1_pd(-0.0)));
}
STREAMDL_HD Half<float> round(Half<float> a) {
  const Half<float> shift = 12582912.0f;
  return (a + shift) - shift;
}
STREAMDL_HD Half<double> round(Half<double> a) {
  const Half<double> shift = 6755399441055744.0;
  return (a + shift) - shift;
}

STREAMDL_HD Half<float> scale(Half<float> a, Half<float> n) {
  const __m256i shifted = _mm256_castps_si256((n + Half<float>(12582912.0f)).v);
  const __m256i bits = _mm256_add_epi32(shifted, _mm256_set1_epi32(127));
  return a * Half<float>(_mm256_castsi256_ps(_mm256_slli_epi32(bits, 23)));
}
STREAMDL_HD Half<double> scale(Half<double> a, Half<double> n) {
  const __m256i shifted = _mm256_castpd_si256((n + Half<double>(6755399441055744.0)).v);
  const __m256i bits = _mm256_add_epi64(shifted, _mm256_set1_epi64x(1023));
  return a * Half<double>(_mm256_castsi256_pd(_mm256_slli_epi64(bits, 52)));
}

STREAMDL_HD Half<float> rough_inverse(Half<float> a) {
  return _mm256_castsi256_ps(_mm256_sub_epi32(_mm256_set1_epi32(0x7ef311c3), _mm256_castps_si256(a.v)));
}

STREAMDL_HD Half<float> split(Half<float> a, Half<float>& n) {
  const __m256i root = _mm256_set1_epi32(0x3f3504f3);
  const __m256i bits = _mm256_sub_epi32(_mm256_castps_si256(a.v), root);
  n = _mm256_cvtepi32_ps(_mm256_srai_epi32(bits, 23));
  const __m256i fraction = _mm256_and_si256(bits, _mm256_set1_epi32(0x007fffff));
  return _mm256_castsi256_ps(_mm256_add_epi32(fraction, root));
}
STREAMDL_HD Half<double> split(Half<double> a, Half<double>& n) {
  const __m256i root = _mm256_set1_epi64x(0x3fe6a09e667f3bcd);
  const __m256i bits = _mm256_sub_epi64(_mm256_castpd_si256(a.v), root);
  // AVX2 cannot convert 64-bit integers: flip the sign bit of the 12-bit exponent, write it into
  // the fraction of 2^52 and subtract both offsets again.
  const __m256i biased = _mm256_srli_epi64(_mm256_xor_si256(bits, _mm256_set1_epi64x(INT64_MIN)), 52);
  const __m256i written = _mm256_or_si256(biased, _mm256_set1_epi64x(0x4330000000000000));
  n = _mm256_sub_pd(_mm256_castsi256_pd(written), _mm256_set1_pd(4503599627370496.0 + 2048.0));
  const __m256i fraction = _mm256_and_si256(bits, _mm256_set1_epi64x(0x000fffffffffffff));
  return _mm256_castsi256_pd(_mm256_add_epi64(fraction, root));
}

STREAMDL_HD Half<float> select(Half<float>::Mask m, Half<float> a, Half<float> b) {
  return _mm256_blendv_ps(b.v, a.v, m.v);
}
STREAMDL_HD Half<double> select(Half<double>::Mask m, Half<double> a, Half<double> b) {
  return _mm256_blendv_pd(b.v, a.v, m.v);
}
STREAMDL_HD Half<float>::Mask operator&(Half<float>::Mask a, Half<float>::Mask b) { return {_mm256_and_ps(a.v, b.v)}; }
STREAMDL_HD Half<double>::Mask operator&(Half<double>::Mask a, Half<double>::Mask b) {
  return {_mm256_and_pd(a.v, b.v)};
}
STREAMDL_HD Half<float>::Mask operator|(Half<float>::Mask a, Half<float>::Mask b) { return {_mm256_or_ps(a.v, b.v)}; }
STREAMDL_HD Half<double>::Mask operator|(Half<double>::Mask a, Half<double>::Mask b) {
  return {_mm256_or_pd(a.v, b.v)};
}
// Bit i is lane i.
STREAMDL_HD uint32_t to_bits(Half<float>::Mask m) { return (uint32_t)_mm256_movemask_ps(m.v); }
STREAMDL_HD uint32_t to_bits(Half<double>::Mask m) { return (uint32_t)_mm256_movemask_pd(m.v); }
STREAMDL_HD bool any(Half<float>::Mask m) { return to_bits(m) != 0; }
STREAMDL_HD bool any(Half<double>::Mask m) { return to_bits(m) != 0; }
STREAMDL_HD bool all(Half<float>::Mask m) { return to_bits(m) == 0xff; }
STREAMDL_HD bool all(Half<double>::Mask m) { return to_bits(m) == 0xf; }

//---------------------------------------------------------------------------- two registers

// The lower lanes lie in low, the upper ones in high.
template <class T>
struct Lanes {
  static constexpr int width = 2 * Half<T>::width;
  Half<T> low, high;

  struct Mask {
    typename Half<T>::Mask low, high;
  };

  Lanes() = default;
  STREAMDL_HD Lanes(T a) : low(a), high(a) {}
  STREAMDL_HD Lanes(Half<T> l, Half<T> h) : low(l), high(h) {}
};

template <class T>
struct NumberOf<Lanes<T>> {
  using type = T;
};

template <class T>
using Register = Half<T>;
template <class T>
STREAMDL_HD Lanes<T> join(const Half<T> (&halves)[2]) {
  return {halves[0], halves[1]};
}

template <class T>
STREAMDL_HD Lanes<T> load(const T* p) {
  return {load_register(p), load_register(p + Half<T>::width)};
}
template <class T>
STREAMDL_HD void store(T* p, Lanes<T> a) {
  store(p, a.low);
  store(p + Half<T>::width, a.high);
}

// The first n lanes, 0 in the others; load_first reads no further.
STREAMDL_HD __m256i first_mask(int n) {  // of eight
  static constexpr int32_t mask[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
  return _mm256_loadu_si256((const __m256i*)(mask + 8 - (n < 0 ? 0 : n > 8 ? 8 : n)));
}
STREAMDL_HD Lanes<float> load_first(const float* p, int n) {
  return {_mm256_maskload_ps(p, first_mask(n)), _mm256_maskload_ps(p + 8, first_mask(n - 8))};
}
STREAMDL_HD Lanes<double> load_first(const double* p, int n) {
  return {_mm256_maskload_pd(p, first_mask(2 * n)), _mm256_maskload_pd(p + 4, first_mask(2 * n - 8))};
}
STREAMDL_HD Lanes<float> keep_first(Lanes<float> a, int n) {
  return {_mm256_and_ps(a.low.v, _mm256_castsi256_ps(first_mask(n))),
          _mm256_and_ps(a.high.v, _mm256_castsi256_ps(first_mask(n - 8)))};
}
STREAMDL_HD Lanes<double> keep_first(Lanes<double> a, int n) {
  return {_mm256_and_pd(a.low.v, _mm256_castsi256_pd(first_mask(2 * n))),
          _mm256_and_pd(a.high.v, _mm256_castsi256_pd(first_mask(2 * n - 8)))};
}

#define STREAMDL_BOTH(T)                                                                                               \
  STREAMDL_HD Lanes<T> operator+(Lanes<T> a, Lanes<T> b) { return {a.low + b.low, a.high + b.high}; }                  \
  STREAMDL_HD Lanes<T> operator-(Lanes<T> a, Lanes<T> b) { return {a.low - b.low, a.high - b.high}; }                  \
  STREAMDL_HD Lanes<T> operator*(Lanes<T> a, Lanes<T> b) { return {a.low * b.low, a.high * b.high}; }                  \
  STREAMDL_HD Lanes<T> operator/(Lanes<T> a, Lanes<T> b) { return {a.low / b.low, a.high / b.high}; }                  \
  STREAMDL_HD Lanes<T> operator-(Lanes<T> a) { return {-a.low, -a.high}; }                                             \
  STREAMDL_HD Lanes<T> min(Lanes<T> a, Lanes<T> b) { return {min(a.low, b.low), min(a.high, b.high)}; }                \
  STREAMDL_HD Lanes<T> max(Lanes<T> a, Lanes<T> b) { return {max(a.low, b.low), max(a.high, b.high)}; }                \
  STREAMDL_HD Lanes<T> sqrt(Lanes<T> a) { return {sqrt(a.low), sqrt(a.high)}; }                                        \
  STREAMDL_HD Lanes<T> abs(Lanes<T> a) { return {abs(a.low), abs(a.high)}; }                                           \
  STREAMDL_HD Lanes<T> round(Lanes<T> a) { return {round(a.low), round(a.high)}; }                                     \
  STREAMDL_HD Lanes<T> copysign(Lanes<T> a, Lanes<T> b) { return {copysign(a.low, b.low), copysign(a.high, b.high)}; } \
  STREAMDL_HD Lanes<T> scale(Lanes<T> a, Lanes<T> n) { return {scale(a.low, n.low), scale(a.high, n.high)}; }          \
  STREAMDL_HD Lanes<T> split(Lanes<T> a, Lanes<T>& n) { return {split(a.low, n.low), split(a.high, n.high)}; }         \
  STREAMDL_HD Lanes<T> fma(Lanes<T> a, Lanes<T> b, Lanes<T> c) {                                                       \
    return {fma(a.low, b.low, c.low), fma(a.high, b.high, c.high)};                                                    \
  }                                                                                                                    \
  STREAMDL_HD Lanes<T> fnma(Lanes<T> a, Lanes<T> b, Lanes<T> c) {                                                      \
    return {fnma(a.low, b.low, c.low), fnma(a.high, b.high, c.high)};                                                  \
  }                                                                                                                    \
  STREAMDL_HD Lanes<T> fms(Lanes<T> a, Lanes<T> b, Lanes<T> c) {                                                       \
    return {fms(a.low, b.low, c.low), fms(a.high, b.high, c.high)};                                                    \
  }                                                                                                                    \
  STREAMDL_HD Lanes<T>::Mask operator<(Lanes<T> a, Lanes<T> b) { return {a.low < b.low, a.high < b.high}; }            \
  STREAMDL_HD Lanes<T>::Mask operator<=(Lanes<T> a, Lanes<T> b) { return {a.low <= b.low, a.high <= b.high}; }         \
  STREAMDL_HD Lanes<T>::Mask operator>(Lanes<T> a, Lanes<T> b) { return {a.low > b.low, a.high > b.high}; }            \
  STREAMDL_HD Lanes<T>::Mask operator>=(Lanes<T> a, Lanes<T> b) { return {a.low >= b.low, a.high >= b.high}; }         \
  STREAMDL_HD Lanes<T>::Mask operator==(Lanes<T> a, Lanes<T> b) { return {a.low == b.low, a.high == b.high}; }         \
  STREAMDL_HD Lanes<T>::Mask operator!=(Lanes<T> a, Lanes<T> b) { return {a.low != b.low, a.high != b.high}; }         \
  STREAMDL_HD Lanes<T>::Mask operator&(Lanes<T>::Mask a, Lanes<T>::Mask b) {                                           \
    return {a.low & b.low, a.high & b.high};                                                                           \
  }                                                                                                                    \
  STREAMDL_HD Lanes<T> select(Lanes<T>::Mask m, Lanes<T> a, Lanes<T> b) {                                              \
    return {select(m.low, a.low, b.low), select(m.high, a.high, b.high)};                                              \
  }                                                                                                                    \
  STREAMDL_HD uint32_t to_bits(Lanes<T>::Mask m) { return to_bits(m.low) | to_bits(m.high) << Half<T>::width; }        \
  STREAMDL_HD bool any(Lanes<T>::Mask m) { return any(m.low | m.high); }                                               \
  STREAMDL_HD bool all(Lanes<T>::Mask m) { return all(m.low & m.high); }
STREAMDL_BOTH(float)
STREAMDL_BOTH(double)
#undef STREAMDL_BOTH
STREAMDL_HD Lanes<float> rough_inverse(Lanes<float> a) { return {rough_inverse(a.low), rough_inverse(a.high)}; }

//---------------------------------------------------------------------------- across lanes

// The fixed tree: lane i + lane i + width/2, then width/4, ... On every instruction set.
STREAMDL_HD float sum(Lanes<float> a) {
  const __m256 eight = (a.low + a.high).v;
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
STREAMDL_HD double sum(Lanes<double> a) {
  const __m256d four = (a.low + a.high).v;
  const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

// Below the first level of the tree the four vectors share registers: (a | b) and (c | d).
STREAMDL_HD __m256 sum_halves(__m256 a, __m256 b) {
  return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}
STREAMDL_HD __m256d sum_halves(__m256d a, __m256d b) {
  return _mm256_add_pd(_mm256_permute2f128_pd(a, b, 0x20), _mm256_permute2f128_pd(a, b, 0x31));
}
STREAMDL_HD void sum4(Lanes<float> a, Lanes<float> b, Lanes<float> c, Lanes<float> d, float (&out)[4]) {
  const __m256 ab = sum_halves((a.low + a.high).v, (b.low + b.high).v);
  const __m256 cd = sum_halves((c.low + c.high).v, (d.low + d.high).v);
  // a0+a2 c0+c2 a1+a3 c1+c3 | the same of b and d
  const __m256 two = _mm256_add_ps(_mm256_unpacklo_ps(ab, cd), _mm256_unpackhi_ps(ab, cd));
  const __m128 ac = _mm256_castps256_ps128(two);
  const __m128 bd = _mm256_extractf128_ps(two, 1);
  _mm_storeu_ps(out, _mm_add_ps(_mm_unpacklo_ps(ac, bd), _mm_unpackhi_ps(ac, bd)));
}
STREAMDL_HD void sum4(Lanes<double> a, Lanes<double> b, Lanes<double> c, Lanes<double> d, double (&out)[4]) {
  const __m256d ab = sum_halves((a.low + a.high).v, (b.low + b.high).v);
  const __m256d cd = sum_halves((c.low + c.high).v, (d.low + d.high).v);
  // a c | b d
  const __m256d acbd = _mm256_add_pd(_mm256_unpacklo_pd(ab, cd), _mm256_unpackhi_pd(ab, cd));
  _mm256_storeu_pd(out, _mm256_permute4x64_pd(acbd, 0xd8));
}

STREAMDL_HD float maximum(Lanes<float> a) {
  const __m256 eight = max(a.low, a.high).v;
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
STREAMDL_HD double maximum(Lanes<double> a) {
  const __m256d four = max(a.low, a.high).v;
  const __m128d two = _mm_max_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(_mm_max_sd(two, _mm_unpackhi_pd(two, two)));
}

//---------------------------------------------------------------------------- words, for random
//numbers

struct Words {
  static constexpr int width = 16;
  __m256i low, high;
  Words() = default;
  STREAMDL_HD Words(uint32_t a) : low(_mm256_set1_epi32((int)a)), high(_mm256_set1_epi32((int)a)) {}
  STREAMDL_HD Words(__m256i l, __m256i h) : low(l), high(h) {}
};
STREAMDL_HD Words iota() {
  return {_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15)};
}
STREAMDL_HD void store(uint32_t* p, Words a) {
  _mm256_storeu_si256((__m256i*)p, a.low);
  _mm256_storeu_si256((__m256i*)(p + 8), a.high);
}
STREAMDL_HD Words operator+(Words a, Words b) {
  return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
}
STREAMDL_HD Words operator^(Words a, Words b) {
  return {_mm256_xor_si256(a.low, b.low), _mm256_xor_si256(a.high, b.high)};
}
STREAMDL_HD __m256i multiply_half(__m256i a, __m256i b, __m256i& high) {
  const __m256i even = _mm256_mul_epu32(a, b);
  const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), b);
  high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
  return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}
STREAMDL_HD Words multiply(Words a, uint32_t b, Words& high) {
  const __m256i factor = _mm256_set1_epi32((int)b);
  return {multiply_half(a.low, factor, high.low), multiply_half(a.high, factor, high.high)};
}
// The words two by two in lanes of 64 bits, the upper halves of which hold anything: multiplied without a shuffle.
struct SpreadWords {
  __m256i part[4];  // even and odd ones of either register
  SpreadWords() = default;
  STREAMDL_HD SpreadWords(uint32_t a) {
    for (__m256i& p : part) p = _mm256_set1_epi32((int)a);
  }
};
STREAMDL_HD SpreadWords spread(Words a) {
  SpreadWords s;
  s.part[0] = a.low;
  s.part[1] = _mm256_srli_epi64(a.low, 32);
  s.part[2] = a.high;
  s.part[3] = _mm256_srli_epi64(a.high, 32);
  return s;
}
STREAMDL_HD Words gathered(SpreadWords a) {
  return {_mm256_blend_epi32(a.part[0], _mm256_slli_epi64(a.part[1], 32), 0xaa),
          _mm256_blend_epi32(a.part[2], _mm256_slli_epi64(a.part[3], 32), 0xaa)};
}
STREAMDL_HD SpreadWords operator^(SpreadWords a, SpreadWords b) {
  for (int i = 0; i < 4; ++i) a.part[i] = _mm256_xor_si256(a.part[i], b.part[i]);
  return a;
}
STREAMDL_HD SpreadWords multiply(SpreadWords a, uint32_t b, SpreadWords& high) {
  const __m256i factor = _mm256_set1_epi32((int)b);
  for (int i = 0; i < 4; ++i) {
    a.part[i] = _mm256_mul_epu32(a.part[i], factor);
    high.part[i] = _mm256_srli_epi64(a.part[i], 32);
  }
  return a;
}
STREAMDL_HD Lanes<float> to_unit(Words a) {
  const Lanes<float> whole(Half<float>(_mm256_cvtepi32_ps(_mm256_srli_epi32(a.low, 8))),
                           Half<float>(_mm256_cvtepi32_ps(_mm256_srli_epi32(a.high, 8))));
  return whole * Lanes<float>(0x1p-24f);
}

STREAMDL_HD void widen(Lanes<float> a, Lanes<double>& first, Lanes<double>& second) {
  first = {_mm256_cvtps_pd(_mm256_castps256_ps128(a.low.v)), _mm256_cvtps_pd(_mm256_extractf128_ps(a.low.v, 1))};
  second = {_mm256_cvtps_pd(_mm256_castps256_ps128(a.high.v)), _mm256_cvtps_pd(_mm256_extractf128_ps(a.high.v, 1))};
}
STREAMDL_HD __m256 narrow_half(Lanes<double> a) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(a.low.v)), _mm256_cvtpd_ps(a.high.v), 1);
}
STREAMDL_HD Lanes<float> narrow(Lanes<double> first, Lanes<double> second) {
  return {narrow_half(first), narrow_half(second)};
}

STREAMDL_END
