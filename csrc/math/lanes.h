// The vector type of the instruction set that this translation unit is compiled for.
#pragma once

#if defined(STREAMDL_USE_AVX512)
#include "math/lanes_avx512.h"
#elif defined(STREAMDL_USE_AVX2)
#include "math/lanes_avx2.h"
#elif defined(STREAMDL_USE_NEON)
#include "math/lanes_neon.h"
#else
#include "math/lanes_scalar.h"
#endif

STREAMDL_BEGIN

#if !defined(STREAMDL_USE_AVX512) && !defined(STREAMDL_USE_AVX2)
// Words as they are best multiplied, see lanes_avx512.h: elsewhere as they are.
using SpreadWords = Words;
STREAMDL_HD SpreadWords spread(Words a) { return a; }
STREAMDL_HD Words gathered(SpreadWords a) { return a; }
#endif

// Whether this is the set without vector instructions, which is for being right.
#if defined(STREAMDL_USE_AVX512) || defined(STREAMDL_USE_AVX2) || defined(STREAMDL_USE_NEON)
inline constexpr bool kPlain = false;
#else
inline constexpr bool kPlain = true;
#endif

STREAMDL_END

#if !defined(STREAMDL_USE_AVX2)
STREAMDL_BEGIN

// The piece of the lanes that long formulas work on, one after the other; see lanes_avx2.h. Elsewhere
// there are registers enough to take them whole.
template <class T>
using Register = Lanes<T>;
template <class T>
STREAMDL_HD Lanes<T> load_register(const T* p) {
  return load(p);
}
template <class T>
STREAMDL_HD Lanes<T> join(const Lanes<T> (&whole)[1]) {
  return whole[0];
}

STREAMDL_END
#endif

STREAMDL_BEGIN

// Whether the lanes take more than one register.
inline constexpr bool kHalves = Register<float>::width < Lanes<float>::width;

STREAMDL_END

#if !defined(STREAMDL_USE_AVX512)
STREAMDL_BEGIN

// Positions of the set bits of a byte: compaction without branches.
struct BitPositions {
  int32_t position[256][8];
};
constexpr BitPositions bit_positions() {
  BitPositions table{};
  for (int byte = 0; byte < 256; ++byte)
    for (int bit = 0, k = 0; bit < 8; ++bit)
      if (byte >> bit & 1) table.position[byte][k++] = bit;
  return table;
}
inline constexpr BitPositions kBitPositions = bit_positions();

// The positions of the lanes where a mask holds, counted from `first`, written behind each other; returns how
// many hold. Up to 16 numbers are written.
template <class T>
STREAMDL_HD int store_positions(typename Lanes<T>::Mask m, int first, int32_t* __restrict__ out) {
  int count = 0;
  uint32_t bits = to_bits(m);
  for (int k = 0; k < Lanes<T>::width; k += 8, bits >>= 8) {
    const int32_t* __restrict__ position = kBitPositions.position[bits & 0xff];
    for (int b = 0; b < 8; ++b) out[count + b] = first + k + position[b];
    count += __builtin_popcount(bits & 0xff);
  }
  return count;
}

STREAMDL_END
#endif
