// The vector type on AArch64: sixteen floats or eight doubles in four 128-bit registers.
//
// NEON is part of every AArch64 processor, no flag is needed. lanes_scalar.h says what every
// operation means; the bits are the same.
#pragma once

#include <arm_neon.h>

#include "math/number.h"

STREAMDL_BEGIN

template <class T>
struct Lanes;

// Lanes 4 k .. 4 k + 3 lie in part k.
template <>
struct Lanes<float> {
  static constexpr int width = 16;
  float32x4_t part[4];

  // All bits of a lane set where the mask holds.
  struct Mask {
    uint32x4_t part[4];
  };

  Lanes() = default;
  STREAMDL_HD Lanes(float a) {
    for (float32x4_t& p : part) p = vdupq_n_f32(a);
  }
};

// Lanes 2 k and 2 k + 1 lie in part k.
template <>
struct Lanes<double> {
  static constexpr int width = 8;
  float64x2_t part[4];

  struct Mask {
    uint64x2_t part[4];
  };

  Lanes() = default;
  STREAMDL_HD Lanes(double a) {
    for (float64x2_t& p : part) p = vdupq_n_f64(a);
  }
};

template <class T>
struct NumberOf<Lanes<T>> {
  using type = T;
};

// The body of a function that computes r part by part.
#define STREAMDL_PARTS(result, expression)              \
  result r;                                             \
  for (int k = 0; k < 4; ++k) r.part[k] = (expression); \
  return r

//---------------------------------------------------------------------------- load and store

STREAMDL_HD Lanes<float> load(const float* p) { STREAMDL_PARTS(Lanes<float>, vld1q_f32(p + 4 * k)); }
STREAMDL_HD Lanes<double> load(const double* p) { STREAMDL_PARTS(Lanes<double>, vld1q_f64(p + 2 * k)); }
STREAMDL_HD void store(float* p, Lanes<float> a) {
  for (int k = 0; k < 4; ++k) vst1q_f32(p + 4 * k, a.part[k]);
}
STREAMDL_HD void store(double* p, Lanes<double> a) {
  for (int k = 0; k < 4; ++k) vst1q_f64(p + 2 * k, a.part[k]);
}
// The first n lanes, 0 in the others; load_first reads no further.
template <class T>
STREAMDL_HD Lanes<T> load_first(const T* p, int n) {
  T lane[Lanes<T>::width] = {};
  for (int i = 0; i < n && i < Lanes<T>::width; ++i) lane[i] = p[i];
  return load(lane);
}
template <class T>
STREAMDL_HD Lanes<T> keep_first(Lanes<T> a, int n) {
  T lane[Lanes<T>::width];
  store(lane, a);
  return load_first(lane, n);
}

// out[index[i]] += x w[i] for four indices that differ, each sum rounded once.
template <class T>
STREAMDL_HD void add_to_four(T* out, const int32_t* index, T x, const T* w) {
  for (int i = 0; i < 4; ++i) out[index[i]] = fma(x, w[i], out[index[i]]);
}
// Lane i from p[index[i]].
template <class T>
STREAMDL_HD Lanes<T> gather(const T* p, const int32_t* index) {
  T lane[Lanes<T>::width];
  for (int i = 0; i < Lanes<T>::width; ++i) lane[i] = p[index[i]];
  return load(lane);
}

//---------------------------------------------------------------------------- lane by lane

#define STREAMDL_ONE_ARGUMENT(name, instruction)                                                                \
  STREAMDL_HD Lanes<float> name(Lanes<float> a) { STREAMDL_PARTS(Lanes<float>, instruction##_f32(a.part[k])); } \
  STREAMDL_HD Lanes<double> name(Lanes<double> a) { STREAMDL_PARTS(Lanes<double>, instruction##_f64(a.part[k])); }
STREAMDL_ONE_ARGUMENT(operator-, vnegq)
STREAMDL_ONE_ARGUMENT(sqrt, vsqrtq)
STREAMDL_ONE_ARGUMENT(abs, vabsq)
#undef STREAMDL_ONE_ARGUMENT

#define STREAMDL_TWO_ARGUMENTS(name, instruction)                           \
  STREAMDL_HD Lanes<float> name(Lanes<float> a, Lanes<float> b) {           \
    STREAMDL_PARTS(Lanes<float>, instruction##_f32(a.part[k], b.part[k]));  \
  }                                                                         \
  STREAMDL_HD Lanes<double> name(Lanes<double> a, Lanes<double> b) {        \
    STREAMDL_PARTS(Lanes<double>, instruction##_f64(a.part[k], b.part[k])); \
  }
STREAMDL_TWO_ARGUMENTS(operator+, vaddq)
STREAMDL_TWO_ARGUMENTS(operator-, vsubq)
STREAMDL_TWO_ARGUMENTS(operator*, vmulq)
STREAMDL_TWO_ARGUMENTS(operator/, vdivq)
#undef STREAMDL_TWO_ARGUMENTS

// Comparisons are false where a lane is NaN, except !=.
#define STREAMDL_COMPARISON(name, instruction)                                    \
  STREAMDL_HD Lanes<float>::Mask name(Lanes<float> a, Lanes<float> b) {           \
    STREAMDL_PARTS(Lanes<float>::Mask, instruction##_f32(a.part[k], b.part[k]));  \
  }                                                                               \
  STREAMDL_HD Lanes<double>::Mask name(Lanes<double> a, Lanes<double> b) {        \
    STREAMDL_PARTS(Lanes<double>::Mask, instruction##_f64(a.part[k], b.part[k])); \
  }
STREAMDL_COMPARISON(operator<, vcltq)
STREAMDL_COMPARISON(operator<=, vcleq)
STREAMDL_COMPARISON(operator>, vcgtq)
STREAMDL_COMPARISON(operator>=, vcgeq)
STREAMDL_COMPARISON(operator==, vceqq)
#undef STREAMDL_COMPARISON
STREAMDL_HD Lanes<float>::Mask operator!=(Lanes<float> a, Lanes<float> b) {
  STREAMDL_PARTS(Lanes<float>::Mask, vmvnq_u32(vceqq_f32(a.part[k], b.part[k])));
}
STREAMDL_HD Lanes<double>::Mask operator!=(Lanes<double> a, Lanes<double> b) {
  const uint64x2_t ones = vdupq_n_u64(~(uint64_t)0);
  STREAMDL_PARTS(Lanes<double>::Mask, veorq_u64(ones, vceqq_f64(a.part[k], b.part[k])));
}

STREAMDL_HD Lanes<float>::Mask operator&(Lanes<float>::Mask a, Lanes<float>::Mask b) {
  STREAMDL_PARTS(Lanes<float>::Mask, vandq_u32(a.part[k], b.part[k]));
}
STREAMDL_HD Lanes<double>::Mask operator&(Lanes<double>::Mask a, Lanes<double>::Mask b) {
  STREAMDL_PARTS(Lanes<double>::Mask, vandq_u64(a.part[k], b.part[k]));
}
STREAMDL_HD Lanes<float> select(Lanes<float>::Mask m, Lanes<float> a, Lanes<float> b) {
  STREAMDL_PARTS(Lanes<float>, vbslq_f32(m.part[k], a.part[k], b.part[k]));
}
STREAMDL_HD Lanes<double> select(Lanes<double>::Mask m, Lanes<double> a, Lanes<double> b) {
  STREAMDL_PARTS(Lanes<double>, vbslq_f64(m.part[k], a.part[k], b.part[k]));
}
// NEON's own fmin and fmax order NaN and signed zeros differently from x86.
STREAMDL_HD Lanes<float> min(Lanes<float> a, Lanes<float> b) { return select(a < b, a, b); }
STREAMDL_HD Lanes<double> min(Lanes<double> a, Lanes<double> b) { return select(a < b, a, b); }
STREAMDL_HD Lanes<float> max(Lanes<float> a, Lanes<float> b) { return select(a > b, a, b); }
STREAMDL_HD Lanes<double> max(Lanes<double> a, Lanes<double> b) { return select(a > b, a, b); }

STREAMDL_HD Lanes<float> fma(Lanes<float> a, Lanes<float> b, Lanes<float> c) {
  STREAMDL_PARTS(Lanes<float>, vfmaq_f32(c.part[k], a.part[k], b.part[k]));
}
STREAMDL_HD Lanes<double> fma(Lanes<double> a, Lanes<double> b, Lanes<double> c) {
  STREAMDL_PARTS(Lanes<double>, vfmaq_f64(c.part[k], a.part[k], b.part[k]));
}
template <class V>
STREAMDL_HD V fnma(V a, V b, V c) {
  return fma(-a, b, c);
}
template <class V>
STREAMDL_HD V fms(V a, V b, V c) {
  return fma(a, b, -c);
}
STREAMDL_HD Lanes<float> copysign(Lanes<float> a, Lanes<float> b) {
  const uint32x4_t sign = vdupq_n_u32(0x80000000u);
  STREAMDL_PARTS(Lanes<float>, vbslq_f32(sign, b.part[k], a.part[k]));
}
STREAMDL_HD Lanes<double> copysign(Lanes<double> a, Lanes<double> b) {
  const uint64x2_t sign = vdupq_n_u64((uint64_t)1 << 63);
  STREAMDL_PARTS(Lanes<double>, vbslq_f64(sign, b.part[k], a.part[k]));
}
STREAMDL_HD Lanes<float> round(Lanes<float> a) {
  const Lanes<float> shift = 12582912.0f;
  return (a + shift) - shift;
}
STREAMDL_HD Lanes<double> round(Lanes<double> a) {
  const Lanes<double> shift = 6755399441055744.0;
  return (a + shift) - shift;
}

STREAMDL_HD float32x4_t power_of_two(float32x4_t shifted) {
  const uint32x4_t bits = vaddq_u32(vreinterpretq_u32_f32(shifted), vdupq_n_u32(127));
  return vreinterpretq_f32_u32(vshlq_n_u32(bits, 23));
}
STREAMDL_HD float64x2_t power_of_two(float64x2_t shifted) {
  const uint64x2_t bits = vaddq_u64(vreinterpretq_u64_f64(shifted), vdupq_n_u64(1023));
  return vreinterpretq_f64_u64(vshlq_n_u64(bits, 52));
}
STREAMDL_HD Lanes<float> scale(Lanes<float> a, Lanes<float> n) {
  n = n + Lanes<float>(12582912.0f);
  STREAMDL_PARTS(Lanes<float>, vmulq_f32(a.part[k], power_of_two(n.part[k])));
}
STREAMDL_HD Lanes<double> scale(Lanes<double> a, Lanes<double> n) {
  n = n + Lanes<double>(6755399441055744.0);
  STREAMDL_PARTS(Lanes<double>, vmulq_f64(a.part[k], power_of_two(n.part[k])));
}

STREAMDL_HD Lanes<float> rough_inverse(Lanes<float> a) {
  const uint32x4_t magic = vdupq_n_u32(0x7ef311c3u);
  STREAMDL_PARTS(Lanes<float>, vreinterpretq_f32_u32(vsubq_u32(magic, vreinterpretq_u32_f32(a.part[k]))));
}

STREAMDL_HD float32x4_t split_part(float32x4_t a, float32x4_t& n) {
  const uint32x4_t root = vdupq_n_u32(0x3f3504f3u);
  const uint32x4_t bits = vsubq_u32(vreinterpretq_u32_f32(a), root);
  n = vcvtq_f32_s32(vshrq_n_s32(vreinterpretq_s32_u32(bits), 23));
  const uint32x4_t fraction = vandq_u32(bits, vdupq_n_u32(0x007fffffu));
  return vreinterpretq_f32_u32(vaddq_u32(fraction, root));
}
STREAMDL_HD float64x2_t split_part(float64x2_t a, float64x2_t& n) {
  const uint64x2_t root = vdupq_n_u64(0x3fe6a09e667f3bcdu);
  const uint64x2_t bits = vsubq_u64(vreinterpretq_u64_f64(a), root);
  n = vcvtq_f64_s64(vshrq_n_s64(vreinterpretq_s64_u64(bits), 52));
  const uint64x2_t fraction = vandq_u64(bits, vdupq_n_u64(0x000fffffffffffffu));
  return vreinterpretq_f64_u64(vaddq_u64(fraction, root));
}
STREAMDL_HD Lanes<float> split(Lanes<float> a, Lanes<float>& n) {
  STREAMDL_PARTS(Lanes<float>, split_part(a.part[k], n.part[k]));
}
STREAMDL_HD Lanes<double> split(Lanes<double> a, Lanes<double>& n) {
  STREAMDL_PARTS(Lanes<double>, split_part(a.part[k], n.part[k]));
}

//---------------------------------------------------------------------------- masks

// Bit i is lane i.
STREAMDL_HD uint32_t to_bits(Lanes<float>::Mask m) {
  const uint32x4_t weight = {1, 2, 4, 8};
  uint32_t bits = 0;
  for (int k = 0; k < 4; ++k) bits |= vaddvq_u32(vandq_u32(m.part[k], weight)) << 4 * k;
  return bits;
}
STREAMDL_HD uint32_t to_bits(Lanes<double>::Mask m) {
  const uint64x2_t weight = {1, 2};
  uint32_t bits = 0;
  for (int k = 0; k < 4; ++k) bits |= (uint32_t)vaddvq_u64(vandq_u64(m.part[k], weight)) << 2 * k;
  return bits;
}
STREAMDL_HD bool any(Lanes<float>::Mask m) {
  return vmaxvq_u32(vorrq_u32(vorrq_u32(m.part[0], m.part[1]), vorrq_u32(m.part[2], m.part[3]))) != 0;
}
STREAMDL_HD bool any(Lanes<double>::Mask m) {
  return vmaxvq_u32(
             vreinterpretq_u32_u64(vorrq_u64(vorrq_u64(m.part[0], m.part[1]), vorrq_u64(m.part[2], m.part[3])))) != 0;
}
STREAMDL_HD bool all(Lanes<float>::Mask m) {
  return vminvq_u32(vandq_u32(vandq_u32(m.part[0], m.part[1]), vandq_u32(m.part[2], m.part[3]))) != 0;
}
STREAMDL_HD bool all(Lanes<double>::Mask m) {
  return vminvq_u32(
             vreinterpretq_u32_u64(vandq_u64(vandq_u64(m.part[0], m.part[1]), vandq_u64(m.part[2], m.part[3])))) != 0;
}

//---------------------------------------------------------------------------- across lanes

// The first levels of the fixed tree: lane i + lane i + width/2, then width/4, ...
STREAMDL_HD float32x2_t sum_to_two(Lanes<float> a) {
  const float32x4_t four = vaddq_f32(vaddq_f32(a.part[0], a.part[2]), vaddq_f32(a.part[1], a.part[3]));
  return vadd_f32(vget_low_f32(four), vget_high_f32(four));
}
STREAMDL_HD float64x2_t sum_to_two(Lanes<double> a) {
  return vaddq_f64(vaddq_f64(a.part[0], a.part[2]), vaddq_f64(a.part[1], a.part[3]));
}
STREAMDL_HD float sum(Lanes<float> a) { return vpadds_f32(sum_to_two(a)); }
STREAMDL_HD double sum(Lanes<double> a) { return vpaddd_f64(sum_to_two(a)); }

STREAMDL_HD void sum4(Lanes<float> a, Lanes<float> b, Lanes<float> c, Lanes<float> d, float (&out)[4]) {
  vst1_f32(out, vpadd_f32(sum_to_two(a), sum_to_two(b)));
  vst1_f32(out + 2, vpadd_f32(sum_to_two(c), sum_to_two(d)));
}
STREAMDL_HD void sum4(Lanes<double> a, Lanes<double> b, Lanes<double> c, Lanes<double> d, double (&out)[4]) {
  vst1q_f64(out, vpaddq_f64(sum_to_two(a), sum_to_two(b)));
  vst1q_f64(out + 2, vpaddq_f64(sum_to_two(c), sum_to_two(d)));
}

// The same tree on memory: it is not in any inner loop, and max must keep the order of x86.
template <class T>
STREAMDL_HD T maximum(Lanes<T> a) {
  T lane[Lanes<T>::width];
  store(lane, a);
  for (int half = Lanes<T>::width / 2; half; half /= 2)
    for (int i = 0; i < half; ++i) lane[i] = max(lane[i], lane[i + half]);
  return lane[0];
}

//---------------------------------------------------------------------------- words, for random
//numbers

struct Words {
  static constexpr int width = 16;
  uint32x4_t part[4];
  Words() = default;
  STREAMDL_HD Words(uint32_t a) {
    for (uint32x4_t& p : part) p = vdupq_n_u32(a);
  }
};
STREAMDL_HD Words iota() {
  const uint32x4_t first = {0, 1, 2, 3};
  STREAMDL_PARTS(Words, vaddq_u32(first, vdupq_n_u32(4 * (uint32_t)k)));
}
STREAMDL_HD void store(uint32_t* p, Words a) {
  for (int k = 0; k < 4; ++k) vst1q_u32(p + 4 * k, a.part[k]);
}
STREAMDL_HD Words operator+(Words a, Words b) { STREAMDL_PARTS(Words, vaddq_u32(a.part[k], b.part[k])); }
STREAMDL_HD Words operator^(Words a, Words b) { STREAMDL_PARTS(Words, veorq_u32(a.part[k], b.part[k])); }
STREAMDL_HD Words multiply(Words a, uint32_t b, Words& high) {
  Words low;
  for (int k = 0; k < 4; ++k) {
    const uint32x4_t first = vreinterpretq_u32_u64(vmull_n_u32(vget_low_u32(a.part[k]), b));
    const uint32x4_t second = vreinterpretq_u32_u64(vmull_high_n_u32(a.part[k], b));
    low.part[k] = vuzp1q_u32(first, second);
    high.part[k] = vuzp2q_u32(first, second);
  }
  return low;
}
STREAMDL_HD Lanes<float> to_unit(Words a) {
  const float32x4_t unit = vdupq_n_f32(0x1p-24f);
  STREAMDL_PARTS(Lanes<float>, vmulq_f32(vcvtq_f32_u32(vshrq_n_u32(a.part[k], 8)), unit));
}

STREAMDL_HD void widen(Lanes<float> a, Lanes<double>& first, Lanes<double>& second) {
  for (int k = 0; k < 2; ++k) {
    first.part[2 * k] = vcvt_f64_f32(vget_low_f32(a.part[k]));
    first.part[2 * k + 1] = vcvt_high_f64_f32(a.part[k]);
    second.part[2 * k] = vcvt_f64_f32(vget_low_f32(a.part[k + 2]));
    second.part[2 * k + 1] = vcvt_high_f64_f32(a.part[k + 2]);
  }
}

STREAMDL_HD Lanes<float> narrow(Lanes<double> first, Lanes<double> second) {
  Lanes<float> r;
  for (int k = 0; k < 2; ++k) {
    r.part[k] = vcvt_high_f32_f64(vcvt_f32_f64(first.part[2 * k]), first.part[2 * k + 1]);
    r.part[k + 2] = vcvt_high_f32_f64(vcvt_f32_f64(second.part[2 * k]), second.part[2 * k + 1]);
  }
  return r;
}

#undef STREAMDL_PARTS

STREAMDL_END
