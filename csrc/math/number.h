// One lane: the operations of the vector type on a plain float or double.
//
// A formula written as a template over the lane type V runs on these in a CUDA thread and on
// Lanes<T> on a processor; both give the same bits, because every operation here is one correctly
// rounded IEEE operation (compile with -ffp-contract=off, on CUDA with -fmad=false).
#pragma once

#include <cstdint>

#include "math/isa.h"

STREAMDL_BEGIN

// The number type behind a lane type: Number<float> is float, Number<Lanes<double>> is double.
template <class V>
struct NumberOf {
  using type = V;
};
template <class V>
using Number = typename NumberOf<V>::type;

STREAMDL_HD float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
STREAMDL_HD double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
// c - a * b and a * b - c, rounded once: the same bits as fma with a negated argument.
STREAMDL_HD float fnma(float a, float b, float c) { return __builtin_fmaf(-a, b, c); }
STREAMDL_HD double fnma(double a, double b, double c) { return __builtin_fma(-a, b, c); }
STREAMDL_HD float fms(float a, float b, float c) { return __builtin_fmaf(a, b, -c); }
STREAMDL_HD double fms(double a, double b, double c) { return __builtin_fma(a, b, -c); }
STREAMDL_HD float sqrt(float a) { return __builtin_sqrtf(a); }
STREAMDL_HD double sqrt(double a) { return __builtin_sqrt(a); }
STREAMDL_HD float abs(float a) { return __builtin_fabsf(a); }
STREAMDL_HD double abs(double a) { return __builtin_fabs(a); }

// As the x86 instructions: the second operand where the comparison fails, so also where one is NaN.
STREAMDL_HD float min(float a, float b) { return a < b ? a : b; }
STREAMDL_HD double min(double a, double b) { return a < b ? a : b; }
STREAMDL_HD float max(float a, float b) { return a > b ? a : b; }
STREAMDL_HD double max(double a, double b) { return a > b ? a : b; }

STREAMDL_HD float select(bool mask, float a, float b) { return mask ? a : b; }
STREAMDL_HD double select(bool mask, double a, double b) { return mask ? a : b; }
STREAMDL_HD bool any(bool mask) { return mask; }
STREAMDL_HD bool all(bool mask) { return mask; }

// Bits and back.
STREAMDL_HD uint32_t to_bits(float a) { return __builtin_bit_cast(uint32_t, a); }
STREAMDL_HD uint64_t to_bits(double a) { return __builtin_bit_cast(uint64_t, a); }
STREAMDL_HD float from_bits(uint32_t a) { return __builtin_bit_cast(float, a); }
STREAMDL_HD double from_bits(uint64_t a) { return __builtin_bit_cast(double, a); }

// a with the sign of b.
STREAMDL_HD float copysign(float a, float b) { return __builtin_copysignf(a, b); }
STREAMDL_HD double copysign(double a, double b) { return __builtin_copysign(a, b); }

// The nearest whole number, ties to even, for |a| < 2^22 (float) or 2^51 (double).
STREAMDL_HD float round(float a) {
  const float shift = 12582912.0f;  // 1.5 * 2^23
  return (a + shift) - shift;
}
STREAMDL_HD double round(double a) {
  const double shift = 6755399441055744.0;  // 1.5 * 2^52
  return (a + shift) - shift;
}

// a * 2^n for a whole number n within -126..127 (float), -1022..1023 (double); one multiplication.
STREAMDL_HD float scale(float a, float n) { return a * from_bits((to_bits(n + 12582912.0f) + 127u) << 23); }
STREAMDL_HD double scale(double a, double n) { return a * from_bits((to_bits(n + 6755399441055744.0) + 1023u) << 52); }

// Splits a normal positive number: a = m * 2^n with m in [1/sqrt 2, sqrt 2); returns m.
STREAMDL_HD float split(float a, float& n) {
  const uint32_t bits = to_bits(a) - 0x3f3504f3u;  // bits of 1/sqrt 2
  n = (float)((int32_t)bits >> 23);
  return from_bits((bits & 0x007fffffu) + 0x3f3504f3u);
}
STREAMDL_HD double split(double a, double& n) {
  const uint64_t root = 0x3fe6a09e667f3bcdu;
  const uint64_t bits = to_bits(a) - root;
  n = (double)((int64_t)bits >> 52);
  return from_bits((bits & (uint64_t)0x000fffffffffffffu) + root);
}

// 1 / a to within an eighth, of a positive number from 2^-125 to 2^125: its exponent and fraction, counted backwards.
STREAMDL_HD float rough_inverse(float a) { return from_bits(0x7ef311c3u - to_bits(a)); }

// One 32-bit word of random bits: its product with another as high and low words, and
// (a >> 8) * 2^-24, uniform in [0, 1) and exact.
STREAMDL_HD constexpr uint32_t multiply(uint32_t a, uint32_t b, uint32_t& high) {
  const uint64_t product = (uint64_t)a * b;
  high = (uint32_t)(product >> 32);
  return (uint32_t)product;
}
STREAMDL_HD constexpr float to_unit(uint32_t a) { return (float)(a >> 8) * 0x1p-24f; }

STREAMDL_END
