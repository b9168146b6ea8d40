// The vector type on AVX2 with FMA: sixteen floats or eight doubles in two 256-bit registers.
//
// Meant for -mavx2 -mfma. lanes_scalar.h says what every operation means; the bits are the same.
#pragma once

#include <immintrin.h>

#include "math/number.h"

STREAMDL_BEGIN

template <class T>
struct Lanes;

// Lanes 0..7 lie in low, 8..15 in high.
template <>
struct Lanes<float> {
  static constexpr int width = 16;
  __m256 low, high;

  // All bits of a lane set where the mask holds.
  struct Mask {
    __m256 low, high;
  };

  Lanes() = default;
  STREAMDL_HD Lanes(float a) : low(_mm256_set1_ps(a)), high(_mm256_set1_ps(a)) {}
  STREAMDL_HD Lanes(__m256 l, __m256 h) : low(l), high(h) {}
};

// Lanes 0..3 lie in low, 4..7 in high.
template <>
struct Lanes<double> {
  static constexpr int width = 8;
  __m256d low, high;

  struct Mask {
    __m256d low, high;
  };

  Lanes() = default;
  STREAMDL_HD Lanes(double a) : low(_mm256_set1_pd(a)), high(_mm256_set1_pd(a)) {}
  STREAMDL_HD Lanes(__m256d l, __m256d h) : low(l), high(h) {}
};

template <class T>
struct NumberOf<Lanes<T>> {
  using type = T;
};

//---------------------------------------------------------------------------- load and store

STREAMDL_HD Lanes<float> load(const float* p) {
  return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
STREAMDL_HD Lanes<double> load(const double* p) {
  return {_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4)};
}
STREAMDL_HD void store(float* p, Lanes<float> a) {
  _mm256_storeu_ps(p, a.low);
  _mm256_storeu_ps(p + 8, a.high);
}
STREAMDL_HD void store(double* p, Lanes<double> a) {
  _mm256_storeu_pd(p, a.low);
  _mm256_storeu_pd(p + 4, a.high);
}

//---------------------------------------------------------------------------- lane by lane

// One function for each of the two types, both halves.
#define STREAMDL_TWO_ARGUMENTS(name, instruction)                              \
  STREAMDL_HD Lanes<float> name(Lanes<float> a, Lanes<float> b) {              \
    return {instruction##_ps(a.low, b.low), instruction##_ps(a.high, b.high)}; \
  }                                                                            \
  STREAMDL_HD Lanes<double> name(Lanes<double> a, Lanes<double> b) {           \
    return {instruction##_pd(a.low, b.low), instruction##_pd(a.high, b.high)}; \
  }
STREAMDL_TWO_ARGUMENTS(operator+, _mm256_add)
STREAMDL_TWO_ARGUMENTS(operator-, _mm256_sub)
STREAMDL_TWO_ARGUMENTS(operator*, _mm256_mul)
STREAMDL_TWO_ARGUMENTS(operator/, _mm256_div)
STREAMDL_TWO_ARGUMENTS(min, _mm256_min)
STREAMDL_TWO_ARGUMENTS(max, _mm256_max)
#undef STREAMDL_TWO_ARGUMENTS

// Comparisons are false where a lane is NaN, except !=.
#define STREAMDL_COMPARISON(name, predicate)                                                   \
  STREAMDL_HD Lanes<float>::Mask name(Lanes<float> a, Lanes<float> b) {                        \
    return {_mm256_cmp_ps(a.low, b.low, predicate), _mm256_cmp_ps(a.high, b.high, predicate)}; \
  }                                                                                            \
  STREAMDL_HD Lanes<double>::Mask name(Lanes<double> a, Lanes<double> b) {                     \
    return {_mm256_cmp_pd(a.low, b.low, predicate), _mm256_cmp_pd(a.high, b.high, predicate)}; \
  }
STREAMDL_COMPARISON(operator<, _CMP_LT_OQ)
STREAMDL_COMPARISON(operator<=, _CMP_LE_OQ)
STREAMDL_COMPARISON(operator>, _CMP_GT_OQ)
STREAMDL_COMPARISON(operator>=, _CMP_GE_OQ)
STREAMDL_COMPARISON(operator==, _CMP_EQ_OQ)
STREAMDL_COMPARISON(operator!=, _CMP_NEQ_UQ)
#undef STREAMDL_COMPARISON

STREAMDL_HD Lanes<float> operator-(Lanes<float> a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_xor_ps(a.low, sign), _mm256_xor_ps(a.high, sign)};
}
STREAMDL_HD Lanes<double> operator-(Lanes<double> a) {
  const __m256d sign = _mm256_set1_pd(-0.0);
  return {_mm256_xor_pd(a.low, sign), _mm256_xor_pd(a.high, sign)};
}
STREAMDL_HD Lanes<float> fma(Lanes<float> a, Lanes<float> b, Lanes<float> c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
STREAMDL_HD Lanes<double> fma(Lanes<double> a, Lanes<double> b, Lanes<double> c) {
  return {_mm256_fmadd_pd(a.low, b.low, c.low), _mm256_fmadd_pd(a.high, b.high, c.high)};
}
STREAMDL_HD Lanes<float> fnma(Lanes<float> a, Lanes<float> b, Lanes<float> c) {
  return {_mm256_fnmadd_ps(a.low, b.low, c.low), _mm256_fnmadd_ps(a.high, b.high, c.high)};
}
STREAMDL_HD Lanes<double> fnma(Lanes<double> a, Lanes<double> b, Lanes<double> c) {
  return {_mm256_fnmadd_pd(a.low, b.low, c.low), _mm256_fnmadd_pd(a.high, b.high, c.high)};
}
STREAMDL_HD Lanes<float> fms(Lanes<float> a, Lanes<float> b, Lanes<float> c) {
  return {_mm256_fmsub_ps(a.low, b.low, c.low), _mm256_fmsub_ps(a.high, b.high, c.high)};
}
STREAMDL_HD Lanes<double> fms(Lanes<double> a, Lanes<double> b, Lanes<double> c) {
  return {_mm256_fmsub_pd(a.low, b.low, c.low), _mm256_fmsub_pd(a.high, b.high, c.high)};
}
STREAMDL_HD Lanes<float> sqrt(Lanes<float> a) {
  return {_mm256_sqrt_ps(a.low), _mm256_sqrt_ps(a.high)};
}
STREAMDL_HD Lanes<double> sqrt(Lanes<double> a) {
  return {_mm256_sqrt_pd(a.low), _mm256_sqrt_pd(a.high)};
}
STREAMDL_HD Lanes<float> abs(Lanes<float> a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.low), _mm256_andnot_ps(sign, a.high)};
}
STREAMDL_HD Lanes<double> abs(Lanes<double> a) {
  const __m256d sign = _mm256_set1_pd(-0.0);
  return {_mm256_andnot_pd(sign, a.low), _mm256_andnot_pd(sign, a.high)};
}
STREAMDL_HD Lanes<float> copysign(Lanes<float> a, Lanes<float> b) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  a = abs(a);
  return {_mm256_or_ps(a.low, _mm256_and_ps(b.low, sign)),
          _mm256_or_ps(a.high, _mm256_and_ps(b.high, sign))};
}
STREAMDL_HD Lanes<double> copysign(Lanes<double> a, Lanes<double> b) {
  const __m256d sign = _mm256_set1_pd(-0.0);
  a = abs(a);
  return {_mm256_or_pd(a.low, _mm256_and_pd(b.low, sign)),
          _mm256_or_pd(a.high, _mm256_and_pd(b.high, sign))};
}
STREAMDL_HD Lanes<float> round(Lanes<float> a) {
  const Lanes<float> shift = 12582912.0f;
  return (a + shift) - shift;
}
STREAMDL_HD Lanes<double> round(Lanes<double> a) {
  const Lanes<double> shift = 6755399441055744.0;
  return (a + shift) - shift;
}

STREAMDL_HD __m256 power_of_two(__m256 shifted) {
  const __m256i bits = _mm256_add_epi32(_mm256_castps_si256(shifted), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(bits, 23));
}
STREAMDL_HD __m256d power_of_two(__m256d shifted) {
  const __m256i bits = _mm256_add_epi64(_mm256_castpd_si256(shifted), _mm256_set1_epi64x(1023));
  return _mm256_castsi256_pd(_mm256_slli_epi64(bits, 52));
}
STREAMDL_HD Lanes<float> scale(Lanes<float> a, Lanes<float> n) {
  const Lanes<float> shifted = n + Lanes<float>(12582912.0f);
  return a * Lanes<float>(power_of_two(shifted.low), power_of_two(shifted.high));
}
STREAMDL_HD Lanes<double> scale(Lanes<double> a, Lanes<double> n) {
  const Lanes<double> shifted = n + Lanes<double>(6755399441055744.0);
  return a * Lanes<double>(power_of_two(shifted.low), power_of_two(shifted.high));
}

STREAMDL_HD __m256 split_half(__m256 a, __m256& n) {
  const __m256i root = _mm256_set1_epi32(0x3f3504f3);
  const __m256i bits = _mm256_sub_epi32(_mm256_castps_si256(a), root);
  n = _mm256_cvtepi32_ps(_mm256_srai_epi32(bits, 23));
  const __m256i fraction = _mm256_and_si256(bits, _mm256_set1_epi32(0x007fffff));
  return _mm256_castsi256_ps(_mm256_add_epi32(fraction, root));
}
STREAMDL_HD __m256d split_half(__m256d a, __m256d& n) {
  const __m256i root = _mm256_set1_epi64x(0x3fe6a09e667f3bcd);
  const __m256i bits = _mm256_sub_epi64(_mm256_castpd_si256(a), root);
  // AVX2 cannot convert 64-bit integers: flip the sign bit of the 12-bit exponent, write it into
  // the fraction of 2^52 and subtract both offsets again.
  const __m256i biased =
      _mm256_srli_epi64(_mm256_xor_si256(bits, _mm256_set1_epi64x(INT64_MIN)), 52);
  const __m256i written = _mm256_or_si256(biased, _mm256_set1_epi64x(0x4330000000000000));
  n = _mm256_sub_pd(_mm256_castsi256_pd(written), _mm256_set1_pd(4503599627370496.0 + 2048.0));
  const __m256i fraction = _mm256_and_si256(bits, _mm256_set1_epi64x(0x000fffffffffffff));
  return _mm256_castsi256_pd(_mm256_add_epi64(fraction, root));
}
STREAMDL_HD Lanes<float> split(Lanes<float> a, Lanes<float>& n) {
  return {split_half(a.low, n.low), split_half(a.high, n.high)};
}
STREAMDL_HD Lanes<double> split(Lanes<double> a, Lanes<double>& n) {
  return {split_half(a.low, n.low), split_half(a.high, n.high)};
}

//---------------------------------------------------------------------------- masks

STREAMDL_HD Lanes<float> select(Lanes<float>::Mask m, Lanes<float> a, Lanes<float> b) {
  return {_mm256_blendv_ps(b.low, a.low, m.low), _mm256_blendv_ps(b.high, a.high, m.high)};
}
STREAMDL_HD Lanes<double> select(Lanes<double>::Mask m, Lanes<double> a, Lanes<double> b) {
  return {_mm256_blendv_pd(b.low, a.low, m.low), _mm256_blendv_pd(b.high, a.high, m.high)};
}
// Bit i is lane i.
STREAMDL_HD uint32_t to_bits(Lanes<float>::Mask m) {
  return (uint32_t)_mm256_movemask_ps(m.low) | (uint32_t)_mm256_movemask_ps(m.high) << 8;
}
STREAMDL_HD uint32_t to_bits(Lanes<double>::Mask m) {
  return (uint32_t)_mm256_movemask_pd(m.low) | (uint32_t)_mm256_movemask_pd(m.high) << 4;
}
STREAMDL_HD bool any(Lanes<float>::Mask m) {
  return _mm256_movemask_ps(_mm256_or_ps(m.low, m.high)) != 0;
}
STREAMDL_HD bool any(Lanes<double>::Mask m) {
  return _mm256_movemask_pd(_mm256_or_pd(m.low, m.high)) != 0;
}
STREAMDL_HD bool all(Lanes<float>::Mask m) {
  return _mm256_movemask_ps(_mm256_and_ps(m.low, m.high)) == 0xff;
}
STREAMDL_HD bool all(Lanes<double>::Mask m) {
  return _mm256_movemask_pd(_mm256_and_pd(m.low, m.high)) == 0xf;
}

//---------------------------------------------------------------------------- across lanes

// The fixed tree: lane i + lane i + width/2, then width/4, ... On every instruction set.
STREAMDL_HD float sum(Lanes<float> a) {
  const __m256 eight = _mm256_add_ps(a.low, a.high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
STREAMDL_HD double sum(Lanes<double> a) {
  const __m256d four = _mm256_add_pd(a.low, a.high);
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
STREAMDL_HD void sum4(Lanes<float> a, Lanes<float> b, Lanes<float> c, Lanes<float> d,
                      float (&out)[4]) {
  const __m256 ab = sum_halves(_mm256_add_ps(a.low, a.high), _mm256_add_ps(b.low, b.high));
  const __m256 cd = sum_halves(_mm256_add_ps(c.low, c.high), _mm256_add_ps(d.low, d.high));
  // a0+a2 c0+c2 a1+a3 c1+c3 | the same of b and d
  const __m256 two = _mm256_add_ps(_mm256_unpacklo_ps(ab, cd), _mm256_unpackhi_ps(ab, cd));
  const __m128 ac = _mm256_castps256_ps128(two);
  const __m128 bd = _mm256_extractf128_ps(two, 1);
  _mm_storeu_ps(out, _mm_add_ps(_mm_unpacklo_ps(ac, bd), _mm_unpackhi_ps(ac, bd)));
}
STREAMDL_HD void sum4(Lanes<double> a, Lanes<double> b, Lanes<double> c, Lanes<double> d,
                      double (&out)[4]) {
  const __m256d ab = sum_halves(_mm256_add_pd(a.low, a.high), _mm256_add_pd(b.low, b.high));
  const __m256d cd = sum_halves(_mm256_add_pd(c.low, c.high), _mm256_add_pd(d.low, d.high));
  // a c | b d
  const __m256d acbd = _mm256_add_pd(_mm256_unpacklo_pd(ab, cd), _mm256_unpackhi_pd(ab, cd));
  _mm256_storeu_pd(out, _mm256_permute4x64_pd(acbd, 0xd8));
}

STREAMDL_HD float maximum(Lanes<float> a) {
  const __m256 eight = _mm256_max_ps(a.low, a.high);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
STREAMDL_HD double maximum(Lanes<double> a) {
  const __m256d four = _mm256_max_pd(a.low, a.high);
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
  return {_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
          _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15)};
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
STREAMDL_HD Lanes<float> to_unit(Words a) {
  const Lanes<float> whole = {_mm256_cvtepi32_ps(_mm256_srli_epi32(a.low, 8)),
                              _mm256_cvtepi32_ps(_mm256_srli_epi32(a.high, 8))};
  return whole * Lanes<float>(0x1p-24f);
}

STREAMDL_HD void widen(Lanes<float> a, Lanes<double>& first, Lanes<double>& second) {
  first = {_mm256_cvtps_pd(_mm256_castps256_ps128(a.low)),
           _mm256_cvtps_pd(_mm256_extractf128_ps(a.low, 1))};
  second = {_mm256_cvtps_pd(_mm256_castps256_ps128(a.high)),
            _mm256_cvtps_pd(_mm256_extractf128_ps(a.high, 1))};
}

STREAMDL_END
