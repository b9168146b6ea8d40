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
