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
