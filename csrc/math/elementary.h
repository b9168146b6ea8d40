// Elementary functions over a lane type V: float, double, Lanes<float> or Lanes<double>.
//
// They are built from the operations of number.h alone, so that every instruction set and CUDA give
// the same bits; the C library's functions differ between machines. Polynomials are minimax fits
// made for this file, lowest coefficient first. Largest errors, in units in the last place (ulp),
// are measured by tests/csrc/math/test_elementary.cpp and stated at each function as (float,
// double).
#pragma once

#include "math/number.h"

STREAMDL_BEGIN

template <class V>
inline constexpr bool is_single = sizeof(Number<V>) == 4;

// c0 + c1 x + c2 x^2 + ... by Horner's rule.
template <class V>
STREAMDL_HD V polynomial(V, Number<V> c0) {
  return V(c0);
}
template <class V, class... More>
STREAMDL_HD V polynomial(V x, Number<V> c0, More... more) {
  return fma(polynomial(x, more...), x, V(c0));
}

// A literal for each of the two number types.
template <class V>
STREAMDL_HD V constant(float in_float, double in_double) {
  if constexpr (is_single<V>) return V(in_float);
  else return V(in_double);
}
// ln 2 as its nearest number and the rest.
template <class V>
STREAMDL_HD V ln2_high() {
  return constant<V>(0x1.62e43p-1f, 0x1.62e42fefa39efp-1);
}
template <class V>
STREAMDL_HD V ln2_low() {
  return constant<V>(-0x1.05c61p-29f, 0x1.abc9e3b39803fp-56);
}

//---------------------------------------------------------------------------- quotient

// a / d (0.8, 0.5 ulp; the accuracy of float fades where |a| < 2^-100). Processors divide and take roots in one place, a
// dozen cycles each: next to a root, a quotient by multiplications costs less than half.
template <class V>
STREAMDL_HD V quotient(V a, V d) {
  if constexpr (!is_single<V>) {
    return a / d;
  } else {
    const V rough = rough_inverse(d), rest = fnma(d, rough, V(1));
    const V inverse = fma(rough, fma(rest, rest, rest), rough);
    const V q = a * inverse, result = fma(fnma(q, d, a), inverse, q);
    const auto fits = (d >= V(0x1p-100f)) & (d <= V(0x1p100f));
    if (!all(fits)) [[unlikely]]
      return select(fits, result, a / d);
    return result;
  }
}

//---------------------------------------------------------------------------- exponential

// x = n ln 2 + r with n whole and |r| <= ln(2)/2, for |x| < 1000; returns r.
template <class V>
STREAMDL_HD V reduce(V x, V& n) {
  n = round(x * constant<V>(0x1.715476p+0f, 0x1.71547652b82fep+0));
  return fnma(n, ln2_low<V>(), fnma(n, ln2_high<V>(), x));
}

// (exp(r) - 1 - r) / r^2 for |r| <= ln(2)/2.
template <class V>
STREAMDL_HD V exp_tail(V r) {
  if constexpr (is_single<V>) {
    return polynomial(r, 0x1p-1f, 0x1.5554b6p-3f, 0x1.555492p-5f, 0x1.122368p-7f, 0x1.6d9232p-10f);
  } else {
    return polynomial(r, 0x1p-1, 0x1.5555555555558p-3, 0x1.555555555555ap-5, 0x1.111111110f96ap-7, 0x1.6c16c16c1481p-10,
                      0x1.a01a01aee6f12p-13, 0x1.a01a01afc425cp-16, 0x1.71ddfaa836917p-19, 0x1.27e4c75c670b5p-22,
                      0x1.af5aebc131e92p-26, 0x1.1f9309a2abdaap-29);
  }
}

// exp(r) for |r| <= ln(2)/2. Of the ways to end the sum this has fewest instructions and the least
// error: 0.89 ulp; 1 + (r + r^2 tail) has 1.04.
template <class V>
STREAMDL_HD V exp_near_zero(V r) {
  return fma(fma(exp_tail(r), r, V(1)), r, V(1));
}

// exp(x) where neither overflow nor underflow is near: |x| <= 87 (float), 708 (double).
template <class V>
STREAMDL_HD V exp_inside(V x) {
  V n;
  const V r = reduce(x, n);
  return scale(exp_near_zero(r), n);
}

// exp(x) everywhere. The factor 2^n is applied in two halves, so the only rounding is the last one.
template <class V>
STREAMDL_HD V exp_outside(V x) {
  V n;
  x = min(constant<V>(90.0f, 711.0), x);  // in this order NaN stays NaN
  x = max(constant<V>(-105.0f, -746.0), x);
  const V r = reduce(x, n);
  const V half = round(n * V(0.5f));
  return scale(scale(exp_near_zero(r), half), n - half);
}

// e^x (0.9, 0.9 ulp). Overflow gives infinity, underflow is gradual down to 0, NaN stays NaN.
template <class V>
STREAMDL_HD V exp(V x) {
  if (any(abs(x) > constant<V>(87.0f, 708.0))) [[unlikely]]
    return exp_outside(x);
  return exp_inside(x);
}

// e^(c y) for |y| <= 1, or NaN. Where c, the same in all lanes, is small, nothing is to be reduced: the bits are those of
// exp, for less.
template <class V>
STREAMDL_HD V exp_within(V c, V y) {
  if (all(abs(c) <= V(0.34f))) [[likely]]
    return exp_near_zero(c * y);
  return exp(c * y);
}

// e^x for x <= 0, or NaN.
template <class V>
STREAMDL_HD V exp_below(V x) {
  if (any(x < constant<V>(-87.0f, -708.0))) [[unlikely]]
    return exp_outside(x);
  return exp_inside(x);
}

// a e^(c y), where c y is one step of ln a and mostly small. In float a lane with |c y| <= 1/256 takes
// a (1 + c y + (c y)^2 / 2), whose error a (c y)^3 / 6 is below a quarter of an ulp of a there.
template <class V>
STREAMDL_HD auto grows_a_little(V c, V y) {
  return abs(c * y) <= V(0x1p-8f);
}
template <class V>
STREAMDL_HD V grown_a_little(V a, V c, V y) {
  return fma(a * y, fma(V(0.5f) * (c * c), y, c), a);
}
template <class V>
STREAMDL_HD V grown(V a, V c, V y) {
  const V full = a * exp(c * y);
  if constexpr (is_single<V>) return select(grows_a_little(c, y), grown_a_little(a, c, y), full);
  return full;
}

// A field that decays: where x fell below the smallest normal number, and so to 0 (see FloatingPoint), that leaves no sign,
// on which it would else depend what the next x is. A GPU keeps small doubles.
template <class V>
STREAMDL_HD V flushed(V x) {
#if defined(__CUDA_ARCH__)
  return select(abs(x) < constant<V>(0x1p-126f, 0x1p-1022), V(0), x);
#else
  return x + V(0);
#endif
}

// base^n for a whole number n >= 0.
STREAMDL_HD double power(double base, double n) {
  double result = 1;
  for (uint64_t exponent = (uint64_t)n; exponent; exponent >>= 1, base *= base)
    if (exponent & 1) result *= base;
  return result;
}

//---------------------------------------------------------------------------- logarithm

// log(1 + f) - f for 1 + f in [1/sqrt 2, sqrt 2].
template <class V>
STREAMDL_HD V log_tail(V f) {
  if constexpr (is_single<V>) {
    const V cubic = polynomial(f, 0x1.55554cp-2f, -0x1.0001d0p-2f, 0x1.99a524p-3f, -0x1.548ba6p-3f, 0x1.227c74p-3f,
                               -0x1.0c4218p-3f, 0x1.074f9cp-3f, -0x1.43ecfep-4f);
    return f * f * fma(cubic, f, V(-0.5f));
  } else {
    // With s = f / (2 + f): log(1 + f) = 2 atanh(s) = f - f^2/2 + s (f^2/2 + R(s^2)).
    const V s = f / (V(2) + f);
    const V z = s * s;
    const V rest =
        z * polynomial(z, 0x1.5555555555566p-1, 0x1.999999998c7a1p-2, 0x1.24924937f58e7p-2, 0x1.c71c5972a3f27p-3,
                       0x1.7464d607b042fp-3, 0x1.39c3d03b5c93ep-3, 0x1.2dc0f44df37cbp-3);
    const V half_square = V(0.5f) * f * f;
    return fma(s, half_square + rest, -half_square);
  }
}

// log(2^n (1 + f)), small terms first.
template <class V>
STREAMDL_HD V log_assembled(V n, V f) {
  return fma(n, ln2_high<V>(), f + fma(n, ln2_low<V>(), log_tail(f)));
}

// log(x) of a positive, finite number that is not denormal.
template <class V>
STREAMDL_HD V log_inside(V x) {
  V n;
  const V m = split(x, n);
  return log_assembled(n, m - V(1));
}

// log(x) everywhere.
template <class V>
STREAMDL_HD V log_outside(V x, V least, V most) {
  V n;
  const V up = constant<V>(0x1p24f, 0x1p54);
  const auto denormal = x < least;
  const V m = split(select(denormal, x * up, x), n);
  const V raised = select(denormal, constant<V>(24.0f, 54.0), V(0));
  const V result = log_assembled(n - raised, m - V(1));
  const V infinity = most + most;
  const V not_positive = select(x == V(0), -infinity, infinity - infinity);
  return select(x <= most, select(x > V(0), result, not_positive), x);
}

// Natural logarithm (0.9, 0.9 ulp). log(0) = -infinity, log of a negative number is NaN.
template <class V>
STREAMDL_HD V log(V x) {
  const V least = constant<V>(0x1p-126f, 0x1p-1022);
  const V most = constant<V>(0x1.fffffep127f, 0x1.fffffffffffffp1023);
  if (all(x >= least) && all(x <= most)) [[likely]]
    return log_inside(x);
  return log_outside(x, least, most);
}

//---------------------------------------------------------------------------- sigmoids

// a / (b + c) for b >= c >= 0, with the rounding errors of the sum and the quotient taken back.
template <class V>
STREAMDL_HD V quotient(V a, V b, V c) {
  const V d = b + c;
  const V lost = c - (d - b);  // exact
  const V inverse = V(1) / d;
  const V q = a * inverse;
  return fma(fnma(q, lost, fnma(q, d, a)), inverse, q);
}

// tanh x = E / (E + 2) with E = exp(2|x|) - 1 = 2^n (exp(r) - 1) + (2^n - 1) (1.8, 2.0 ulp).
template <class V>
STREAMDL_HD V tanh(V x) {
  V n;
  const V a = abs(x);
  const V r = reduce(min(constant<V>(20.0f, 40.0), a + a), n);
  const V power = scale(V(1), n);
  const V e = fma(power, fma(r * r, exp_tail(r), r), power - V(1));
  return copysign(quotient(e, max(e, V(2)), min(e, V(2))), x);
}

// Logistic function 1 / (1 + exp(-x)); from exp(-|x|), so nothing overflows (1.5, 1.5 ulp).
template <class V>
STREAMDL_HD V sigmoid(V x) {
  const V e = exp_below(-abs(x));
  return quotient(select(x < V(0), e, V(1)), V(1), e);
}

// log(1 + exp x) = max(x, 0) + log(1 + exp(-|x|)), for every x without a threshold (1.8, 1.8 ulp).
template <class V>
STREAMDL_HD V softplus(V x) {
  const V e = exp_below(-abs(x));
  // 1 + e = 2^n (1 + f) with 1 + f near 1; both forms of f keep the bits of e.
  const auto large = e > constant<V>(0x1.a8279ap-2f, 0x1.a827999fcef32p-2);
  const V f = select(large, V(0.5f) * (e - V(1)), e);
  return max(x, V(0)) + log_assembled(select(large, V(1), V(0)), f);
}

// Error function. Near 0 an odd polynomial; beyond, 1 - exp(-p(|x|)) with p fitted to
// -log(1 - erf) (1.2, 1.2 ulp).
template <class V>
STREAMDL_HD V erf(V x) {
  const V a = abs(x);
  const V z = x * x;
  const V far = min(constant<V>(4.0f, 6.0), a);  // erf rounds to 1 from here; NaN stays NaN
  V odd, power;
  if constexpr (is_single<V>) {
    odd =
        polynomial(z, 0x1.06eba6p-3f, -0x1.8127p-2f, 0x1.ce1ecp-4f, -0x1.b6cb8cp-6f, 0x1.48bd8cp-8f, -0x1.4064dcp-11f);
    power = polynomial(far, 0x1.40a21cp-13f, 0x1.20bb0ep+0f, 0x1.4614f4p-1f, 0x1.aace26p-4f, -0x1.6e4ecap-6f,
                       0x1.9336a8p-9f, -0x1.a207b8p-13f);
  } else {
    odd = polynomial(z, 0x1.06eba8214db68p-3, -0x1.812746b0379c1p-2, 0x1.ce2f21a040fd4p-4, -0x1.b82ce312050c7p-6,
                     0x1.565bccfa73f94p-8, -0x1.c02db06cf3a16p-11, 0x1.f9a2bedf66079p-14, -0x1.f4ca8b689e9e1p-17,
                     0x1.b9821deae5e74p-20, -0x1.5c149a1953d58p-23, 0x1.d77467c0af997p-27, -0x1.acaeac926312ep-31);
    power = polynomial(far, 0x1.0c2b2f3ef6739p-21, 0x1.20dd205990849p+0, 0x1.45f622d2313cdp-1, 0x1.a4acbc9113c67p-4,
                       -0x1.3725569ef4f76p-6, -0x1.ada5aceebf348p-12, 0x1.f6042c3985cccp-10, -0x1.93aa1ae045ba3p-11,
                       0x1.1a4ac6e1ea322p-13, 0x1.57a71cc9a292ap-16, -0x1.804cb0b6dddc4p-16, 0x1.23ab4da960975p-17,
                       -0x1.1f7072517ef01p-19, 0x1.91f516dfe5324p-22, -0x1.8ff0b84ceee2fp-25, 0x1.0f3322b2500aap-28,
                       -0x1.c32ce806de092p-33, 0x1.5c097312a275ep-38);
  }
  const V outer = copysign(V(1) - exp_inside(-power), x);
  return select(a > constant<V>(0.9f, 1.0), outer, fma(x, odd, x));
}

// Of an angle in double precision: a multiple of pi / 2, whose three parts take off what it can exactly (Cody and
// Waite, 1980), and a Taylor series within pi / 4. Beyond a million turns the angle's own rounding is all that counts.
STREAMDL_HD void sine_and_cosine(double x, double* sine, double* cosine) {
  constexpr double kParts[] = {0x1.921fb544p+0, 0x1.0b4611a6p-34, 0x1.3198a2e037073p-69};
  constexpr double kMagic = 0x1.8p52;  // adding it rounds to a whole number
  const double n = (x * 0x1.45f306dc9c883p-1 + kMagic) - kMagic;
  double r = x;
  for (double part : kParts) r -= n * part;
  r = min(max(r, -1.0), 1.0);  // of angles so large that nothing is left of them
  const double z = r * r;
  const double s = r * polynomial(z, 1.0, -1.0 / 6, 1.0 / 120, -1.0 / 5040, 1.0 / 362880, -1.0 / 39916800,
                                  1.0 / 6227020800, -1.0 / 1307674368000);
  const double c = polynomial(z, 1.0, -1.0 / 2, 1.0 / 24, -1.0 / 720, 1.0 / 40320, -1.0 / 3628800, 1.0 / 479001600,
                              -1.0 / 87178291200, 1.0 / 20922789888000);
  const double quarter = n - 4 * ((n * 0.25 - 0.375 + kMagic) - kMagic);  // 0 to 3
  const bool swapped = quarter == 1 || quarter == 3;
  *sine = (quarter >= 2 ? -1 : 1) * (swapped ? c : s);
  *cosine = (quarter == 1 || quarter == 2 ? -1 : 1) * (swapped ? s : c);
}

//---------------------------------------------------------------------------- normal numbers

// Two independent draws of N(0, 1) per lane from two random words (Box and Muller, 1958):
// z0, z1 = sqrt(-2 log u) (cos, sin)(2 pi v), u in (0, 1], v in [-1/2, 1/2); |z| <= 5.77.
// Sine and cosine of pi v come from polynomials, then the angle is doubled: no quadrants.
template <class W, class V>
STREAMDL_HD void normals(W word0, W word1, V& z0, V& z1) {
  const V u = V(1) - to_unit(word0);
  const V v = to_unit(word1) - V(0.5f);
  const V radius = sqrt(V(-2) * log_inside(u));
  const V z = v * v;
  const V sine = v * polynomial(z, 0x1.921fb6p+1f, -0x1.4abbc4p+2f, 0x1.4668f2p+1f, -0x1.32535ap-1f, 0x1.3e17cap-4f);
  const V cosine =
      polynomial(z, 0x1p+0f, -0x1.3bd3ccp+2f, 0x1.03c1e4p+2f, -0x1.55d076p+0f, 0x1.e126f2p-3f, -0x1.8fb73ep-6f);
  const V twice = sine + sine;
  z0 = radius * fnma(twice, sine, V(1));
  z1 = radius * (twice * cosine);
}

STREAMDL_END
