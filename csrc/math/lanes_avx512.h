// The vector type on AVX-512: sixteen floats or eight doubles in one 512-bit register.
//
// Meant for -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma. lanes_scalar.h says what every
// operation means; the bits are the same.
#pragma once

// g++ 12 warns about its own "undefined" vectors inside this header.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include "math/number.h"

STREAMDL_BEGIN

template <class T>
struct Lanes;

template <>
struct Lanes<float> {
  static constexpr int width = 16;
  __m512 all;

  // Bit i is lane i.
  struct Mask {
    __mmask16 bits;
  };

  Lanes() = default;
  STREAMDL_HD Lanes(float a) : all(_mm512_set1_ps(a)) {}
  STREAMDL_HD Lanes(__m512 a) : all(a) {}
};

template <>
struct Lanes<double> {
  static constexpr int width = 8;
  __m512d all;

  struct Mask {
    __mmask8 bits;
  };

  Lanes() = default;
  STREAMDL_HD Lanes(double a) : all(_mm512_set1_pd(a)) {}
  STREAMDL_HD Lanes(__m512d a) : all(a) {}
};

template <class T>
struct NumberOf<Lanes<T>> {
  using type = T;
};

//---------------------------------------------------------------------------- load and store

STREAMDL_HD Lanes<float> load(const float* p) { return _mm512_loadu_ps(p); }
STREAMDL_HD Lanes<double> load(const double* p) { return _mm512_loadu_pd(p); }
STREAMDL_HD void store(float* p, Lanes<float> a) { _mm512_storeu_ps(p, a.all); }
STREAMDL_HD void store(double* p, Lanes<double> a) { _mm512_storeu_pd(p, a.all); }
// The first n lanes, 0 in the others; load_first reads no further.
STREAMDL_HD uint32_t first_mask(int n, int width) { return (1u << (n < width ? n : width)) - 1; }
STREAMDL_HD Lanes<float> load_first(const float* p, int n) {
  return _mm512_maskz_loadu_ps((__mmask16)first_mask(n, 16), p);
}
STREAMDL_HD Lanes<double> load_first(const double* p, int n) {
  return _mm512_maskz_loadu_pd((__mmask8)first_mask(n, 8), p);
}
STREAMDL_HD Lanes<float> keep_first(Lanes<float> a, int n) {
  return _mm512_maskz_mov_ps((__mmask16)first_mask(n, 16), a.all);
}
STREAMDL_HD Lanes<double> keep_first(Lanes<double> a, int n) {
  return _mm512_maskz_mov_pd((__mmask8)first_mask(n, 8), a.all);
}

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
STREAMDL_HD Lanes<float> gather(const float* p, const int32_t* index) {
  auto half = [&](const int32_t* i) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(gather_four(p, i)), gather_four(p, i + 4), 1);
  };
  return _mm512_insertf32x8(_mm512_castps256_ps512(half(index)), half(index + 8), 1);
}
STREAMDL_HD Lanes<double> gather(const double* p, const int32_t* index) {
  auto half = [&](const int32_t* i) {
    return _mm256_insertf128_pd(_mm256_castpd128_pd256(gather_two(p, i)), gather_two(p, i + 2), 1);
  };
  return _mm512_insertf64x4(_mm512_castpd256_pd512(half(index)), half(index + 4), 1);
}

//---------------------------------------------------------------------------- lane by lane

#define STREAMDL_TWO_ARGUMENTS(name, instruction)                                                          \
  STREAMDL_HD Lanes<float> name(Lanes<float> a, Lanes<float> b) { return instruction##_ps(a.all, b.all); } \
  STREAMDL_HD Lanes<double> name(Lanes<double> a, Lanes<double> b) { return instruction##_pd(a.all, b.all); }
STREAMDL_TWO_ARGUMENTS(operator+, _mm512_add)
STREAMDL_TWO_ARGUMENTS(operator-, _mm512_sub)
STREAMDL_TWO_ARGUMENTS(operator*, _mm512_mul)
STREAMDL_TWO_ARGUMENTS(operator/, _mm512_div)
STREAMDL_TWO_ARGUMENTS(min, _mm512_min)
STREAMDL_TWO_ARGUMENTS(max, _mm512_max)
#undef STREAMDL_TWO_ARGUMENTS

// Comparisons are false where a lane is NaN, except !=.
#define STREAMDL_COMPARISON(name, predicate)                               \
  STREAMDL_HD Lanes<float>::Mask name(Lanes<float> a, Lanes<float> b) {    \
    return {_mm512_cmp_ps_mask(a.all, b.all, predicate)};                  \
  }                                                                        \
  STREAMDL_HD Lanes<double>::Mask name(Lanes<double> a, Lanes<double> b) { \
    return {_mm512_cmp_pd_mask(a.all, b.all, predicate)};                  \
  }
STREAMDL_COMPARISON(operator<, _CMP_LT_OQ)
STREAMDL_COMPARISON(operator<=, _CMP_LE_OQ)
STREAMDL_COMPARISON(operator>, _CMP_GT_OQ)
STREAMDL_COMPARISON(operator>=, _CMP_GE_OQ)
STREAMDL_COMPARISON(operator==, _CMP_EQ_OQ)
STREAMDL_COMPARISON(operator!=, _CMP_NEQ_UQ)
#undef STREAMDL_COMPARISON

STREAMDL_HD Lanes<float> operator-(Lanes<float> a) { return _mm512_xor_ps(a.all, _mm512_set1_ps(-0.0f)); }
STREAMDL_HD Lanes<double> operator-(Lanes<double> a) { return _mm512_xor_pd(a.all, _mm512_set1_pd(-0.0)); }
STREAMDL_HD Lanes<float> fma(Lanes<float> a, Lanes<float> b, Lanes<float> c) {
  return _mm512_fmadd_ps(a.all, b.all, c.all);
}
STREAMDL_HD Lanes<double> fma(Lanes<double> a, Lanes<double> b, Lanes<double> c) {
  return _mm512_fmadd_pd(a.all, b.all, c.all);
}
STREAMDL_HD Lanes<float> fnma(Lanes<float> a, Lanes<float> b, Lanes<float> c) {
  return _mm512_fnmadd_ps(a.all, b.all, c.all);
}
STREAMDL_HD Lanes<double> fnma(Lanes<double> a, Lanes<double> b, Lanes<double> c) {
  return _mm512_fnmadd_pd(a.all, b.all, c.all);
}
STREAMDL_HD Lanes<float> fms(Lanes<float> a, Lanes<float> b, Lanes<float> c) {
  return _mm512_fmsub_ps(a.all, b.all, c.all);
}
STREAMDL_HD Lanes<double> fms(Lanes<double> a, Lanes<double> b, Lanes<double> c) {
  return _mm512_fmsub_pd(a.all, b.all, c.all);
}
STREAMDL_HD Lanes<float> sqrt(Lanes<float> a) { return _mm512_sqrt_ps(a.all); }
STREAMDL_HD Lanes<double> sqrt(Lanes<double> a) { return _mm512_sqrt_pd(a.all); }
STREAMDL_HD Lanes<float> abs(Lanes<float> a) { return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a.all); }
STREAMDL_HD Lanes<double> abs(Lanes<double> a) { return _mm512_andnot_pd(_mm512_set1_pd(-0.0), a.all); }
STREAMDL_HD Lanes<float> copysign(Lanes<float> a, Lanes<float> b) {
  return _mm512_or_ps(abs(a).all, _mm512_and_ps(b.all, _mm512_set1_ps(-0.0f)));
}
STREAMDL_HD Lanes<double> copysign(Lanes<double> a, Lanes<double> b) {
  return _mm512_or_pd(abs(a).all, _mm512_and_pd(b.all, _mm512_set1_pd(-0.0)));
}
STREAMDL_HD Lanes<float> round(Lanes<float> a) {
  const Lanes<float> shift = 12582912.0f;
  return (a + shift) - shift;
}
STREAMDL_HD Lanes<double> round(Lanes<double> a) {
  const Lanes<double> shift = 6755399441055744.0;
  return (a + shift) - shift;
}

STREAMDL_HD Lanes<float> scale(Lanes<float> a, Lanes<float> n) { return _mm512_scalef_ps(a.all, n.all); }
STREAMDL_HD Lanes<double> scale(Lanes<double> a, Lanes<double> n) { return _mm512_scalef_pd(a.all, n.all); }

STREAMDL_HD Lanes<float> rough_inverse(Lanes<float> a) {
  return _mm512_castsi512_ps(_mm512_sub_epi32(_mm512_set1_epi32(0x7ef311c3), _mm512_castps_si512(a.all)));
}

STREAMDL_HD Lanes<float> split(Lanes<float> a, Lanes<float>& n) {
  const __m512i root = _mm512_set1_epi32(0x3f3504f3);
  const __m512i bits = _mm512_sub_epi32(_mm512_castps_si512(a.all), root);
  n = _mm512_cvtepi32_ps(_mm512_srai_epi32(bits, 23));
  const __m512i fraction = _mm512_and_si512(bits, _mm512_set1_epi32(0x007fffff));
  return _mm512_castsi512_ps(_mm512_add_epi32(fraction, root));
}
STREAMDL_HD Lanes<double> split(Lanes<double> a, Lanes<double>& n) {
  const __m512i root = _mm512_set1_epi64(0x3fe6a09e667f3bcd);
  const __m512i bits = _mm512_sub_epi64(_mm512_castpd_si512(a.all), root);
  n = _mm512_cvtepi64_pd(_mm512_srai_epi64(bits, 52));
  const __m512i fraction = _mm512_and_si512(bits, _mm512_set1_epi64(0x000fffffffffffff));
  return _mm512_castsi512_pd(_mm512_add_epi64(fraction, root));
}

//---------------------------------------------------------------------------- masks

STREAMDL_HD Lanes<float> select(Lanes<float>::Mask m, Lanes<float> a, Lanes<float> b) {
  return _mm512_mask_blend_ps(m.bits, b.all, a.all);
}
STREAMDL_HD Lanes<double> select(Lanes<double>::Mask m, Lanes<double> a, Lanes<double> b) {
  return _mm512_mask_blend_pd(m.bits, b.all, a.all);
}
// Bit i is lane i.
STREAMDL_HD Lanes<float>::Mask operator&(Lanes<float>::Mask a, Lanes<float>::Mask b) {
  return {(__mmask16)(a.bits & b.bits)};
}
STREAMDL_HD Lanes<double>::Mask operator&(Lanes<double>::Mask a, Lanes<double>::Mask b) {
  return {(__mmask8)(a.bits & b.bits)};
}
STREAMDL_HD uint32_t to_bits(Lanes<float>::Mask m) { return m.bits; }
STREAMDL_HD uint32_t to_bits(Lanes<double>::Mask m) { return m.bits; }
STREAMDL_HD bool any(Lanes<float>::Mask m) { return m.bits != 0; }
STREAMDL_HD bool any(Lanes<double>::Mask m) { return m.bits != 0; }
STREAMDL_HD bool all(Lanes<float>::Mask m) { return m.bits == 0xffff; }
STREAMDL_HD bool all(Lanes<double>::Mask m) { return m.bits == 0xff; }

//---------------------------------------------------------------------------- across lanes

STREAMDL_HD __m256 upper(__m512 a) { return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a), 1)); }
STREAMDL_HD __m256d upper(__m512d a) { return _mm512_extractf64x4_pd(a, 1); }

// The fixed tree: lane i + lane i + width/2, then width/4, ... On every instruction set.
STREAMDL_HD float sum(Lanes<float> a) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.all), upper(a.all));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
STREAMDL_HD double sum(Lanes<double> a) {
  const __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(a.all), upper(a.all));
  const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

// After one level of the tree two vectors share a register, after two levels all four do.
STREAMDL_HD void sum4(Lanes<float> a, Lanes<float> b, Lanes<float> c, Lanes<float> d, float (&out)[4]) {
  const __m512 ab = _mm512_add_ps(_mm512_shuffle_f32x4(a.all, b.all, 0x44), _mm512_shuffle_f32x4(a.all, b.all, 0xee));
  const __m512 cd = _mm512_add_ps(_mm512_shuffle_f32x4(c.all, d.all, 0x44), _mm512_shuffle_f32x4(c.all, d.all, 0xee));
  // four lanes of a, of b, of c, of d
  const __m512 four = _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
  const __m512 two = _mm512_add_ps(four, _mm512_shuffle_ps(four, four, 0x4e));
  const __m512 one = _mm512_add_ps(two, _mm512_shuffle_ps(two, two, 0xb1));
  const __m512i first = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  _mm_storeu_ps(out, _mm512_castps512_ps128(_mm512_permutexvar_ps(first, one)));
}
STREAMDL_HD void sum4(Lanes<double> a, Lanes<double> b, Lanes<double> c, Lanes<double> d, double (&out)[4]) {
  const __m512d ab = _mm512_add_pd(_mm512_shuffle_f64x2(a.all, b.all, 0x44), _mm512_shuffle_f64x2(a.all, b.all, 0xee));
  const __m512d cd = _mm512_add_pd(_mm512_shuffle_f64x2(c.all, d.all, 0x44), _mm512_shuffle_f64x2(c.all, d.all, 0xee));
  const __m512d two = _mm512_add_pd(_mm512_shuffle_f64x2(ab, cd, 0x88), _mm512_shuffle_f64x2(ab, cd, 0xdd));
  const __m512d one = _mm512_add_pd(two, _mm512_shuffle_pd(two, two, 0x55));
  const __m512i first = _mm512_setr_epi64(0, 2, 4, 6, 0, 0, 0, 0);
  _mm256_storeu_pd(out, _mm512_castpd512_pd256(_mm512_permutexvar_pd(first, one)));
}

STREAMDL_HD float maximum(Lanes<float> a) {
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a.all), upper(a.all));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
STREAMDL_HD double maximum(Lanes<double> a) {
  const __m256d four = _mm256_max_pd(_mm512_castpd512_pd256(a.all), upper(a.all));
  const __m128d two = _mm_max_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(_mm_max_sd(two, _mm_unpackhi_pd(two, two)));
}

// The positions of the lanes where a mask holds, counted from `first`; writes 16 and returns how many hold.
template <class T>
STREAMDL_HD int store_positions(typename Lanes<T>::Mask m, int first, int32_t* out) {
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(m.bits, _mm512_add_epi32(lanes, _mm512_set1_epi32(first))));
  return __builtin_popcount(m.bits);
}

//---------------------------------------------------------------------------- words, for random
//numbers

struct Words {
  static constexpr int width = 16;
  __m512i all;
  Words() = default;
  STREAMDL_HD Words(uint32_t a) : all(_mm512_set1_epi32((int)a)) {}
  STREAMDL_HD Words(__m512i a) : all(a) {}
};
STREAMDL_HD Words iota() { return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }
STREAMDL_HD void store(uint32_t* p, Words a) { _mm512_storeu_si512(p, a.all); }
STREAMDL_HD Words operator+(Words a, Words b) { return _mm512_add_epi32(a.all, b.all); }
STREAMDL_HD Words operator^(Words a, Words b) { return _mm512_xor_si512(a.all, b.all); }
STREAMDL_HD Words multiply(Words a, uint32_t b, Words& high) {
  const __m512i factor = _mm512_set1_epi32((int)b);
  const __m512i even = _mm512_mul_epu32(a.all, factor);
  const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(a.all, 32), factor);
  high = _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);
  return _mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
}
// The words two by two in lanes of 64 bits, the upper halves of which hold anything: multiplied without a shuffle.
struct SpreadWords {
  __m512i even, odd;
  SpreadWords() = default;
  STREAMDL_HD SpreadWords(uint32_t a) : even(_mm512_set1_epi32((int)a)), odd(even) {}
  STREAMDL_HD SpreadWords(__m512i e, __m512i o) : even(e), odd(o) {}
};
STREAMDL_HD SpreadWords spread(Words a) { return {a.all, _mm512_srli_epi64(a.all, 32)}; }
STREAMDL_HD Words gathered(SpreadWords a) {
  return _mm512_mask_blend_epi32(0xaaaa, a.even, _mm512_slli_epi64(a.odd, 32));
}
STREAMDL_HD SpreadWords operator^(SpreadWords a, SpreadWords b) {
  return {_mm512_xor_si512(a.even, b.even), _mm512_xor_si512(a.odd, b.odd)};
}
STREAMDL_HD SpreadWords multiply(SpreadWords a, uint32_t b, SpreadWords& high) {
  const __m512i factor = _mm512_set1_epi32((int)b);
  const SpreadWords low(_mm512_mul_epu32(a.even, factor), _mm512_mul_epu32(a.odd, factor));
  high = {_mm512_srli_epi64(low.even, 32), _mm512_srli_epi64(low.odd, 32)};
  return low;
}
STREAMDL_HD Lanes<float> to_unit(Words a) {
  return Lanes<float>(_mm512_cvtepi32_ps(_mm512_srli_epi32(a.all, 8))) * Lanes<float>(0x1p-24f);
}

STREAMDL_HD void widen(Lanes<float> a, Lanes<double>& first, Lanes<double>& second) {
  first = _mm512_cvtps_pd(_mm512_castps512_ps256(a.all));
  second = _mm512_cvtps_pd(upper(a.all));
}
STREAMDL_HD Lanes<float> narrow(Lanes<double> first, Lanes<double> second) {
  return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(first.all)), _mm512_cvtpd_ps(second.all), 1);
}

STREAMDL_END
