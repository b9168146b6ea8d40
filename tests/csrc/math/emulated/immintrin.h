// Stands in for the compiler's <immintrin.h> in the emulated build of test_lanes: the AVX-512
// intrinsics become functions of SIMDe that any x86-64 processor can run. Ten that SIMDe 0.7
// lacks follow, written out from the processor manual's descriptions.
#pragma once

#include_next <immintrin.h>

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include <cstdint>
#include <cstring>

namespace emulated {

template <class T>
struct Array {
  static constexpr int size = 64 / sizeof(T);
  T lane[size];
  template <class V>
  explicit Array(const V& v) : lane{} {
    std::memcpy(lane, &v, sizeof v);
  }
  Array() : lane{} {}
  template <class V>
  V as() const {
    V v;
    std::memcpy(&v, lane, sizeof v);
    return v;
  }
};

template <class To, class From, class V, class R>
R convert(V v) {
  const Array<From> in(v);
  Array<To> out;
  for (int i = 0; i < Array<To>::size; ++i) out.lane[i] = (To)in.lane[i];
  return out.template as<R>();
}
template <class T, class V>
V shift_right(V v, int count) {
  Array<T> a(v);
  for (T& lane : a.lane) lane >>= count;  // of a signed number: copies the sign
  return a.template as<V>();
}
// Quarters of a, a, b, b, each chosen by two bits.
template <class V>
V shuffle_quarters(V a, V b, int choice) {
  const Array<double> in[2] = {Array<double>(a), Array<double>(b)};
  Array<double> out;
  for (int i = 0; i < 8; ++i) out.lane[i] = in[i / 4].lane[2 * (choice >> i / 2 * 2 & 3) + i % 2];
  return out.template as<V>();
}
// Within each pair of doubles: one of a, then one of b, each chosen by one bit.
inline simde__m512d shuffle_pairs(simde__m512d a, simde__m512d b, int choice) {
  const Array<double> in[2] = {Array<double>(a), Array<double>(b)};
  Array<double> out;
  for (int i = 0; i < 8; ++i) out.lane[i] = in[i % 2].lane[i / 2 * 2 + (choice >> i & 1)];
  return out.as<simde__m512d>();
}
// Lanes whose bit is set, from memory; the others are 0 and not read.
template <class T, class R>
R load_some(uint32_t mask, const T* p) {
  Array<T> out;
  for (int i = 0; i < Array<T>::size; ++i)
    if (mask >> i & 1) out.lane[i] = p[i];
  return out.template as<R>();
}

}  // namespace emulated

#define _mm512_cvtepi32_ps(a) (emulated::convert<float, int32_t, simde__m512i, simde__m512>(a))
#define _mm512_cvtepi64_pd(a) (emulated::convert<double, int64_t, simde__m512i, simde__m512d>(a))
#define _mm512_cvtps_pd(a) (emulated::convert<double, float, simde__m256, simde__m512d>(a))
#define _mm512_srai_epi32(a, count) (emulated::shift_right<int32_t>(a, count))
#define _mm512_srai_epi64(a, count) (emulated::shift_right<int64_t>(a, count))
#define _mm512_shuffle_f32x4(a, b, choice) (emulated::shuffle_quarters(a, b, choice))
#define _mm512_shuffle_f64x2(a, b, choice) (emulated::shuffle_quarters(a, b, choice))
#define _mm512_shuffle_pd(a, b, choice) (emulated::shuffle_pairs(a, b, choice))
#define _mm512_maskz_loadu_ps(mask, p) (emulated::load_some<float, simde__m512>(mask, p))
#define _mm512_maskz_loadu_pd(mask, p) (emulated::load_some<double, simde__m512d>(mask, p))
