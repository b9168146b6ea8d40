// The kernels for avx2 (-mavx2 -mfma).
#define STREAMDL_ISA avx2
#define STREAMDL_USE_AVX2
#include "kernels/cpu/table.h"

namespace streamdl {

const Kernels<float>& kernels_avx2_single() { return avx2::table<float>(); }
const Kernels<double>& kernels_avx2_double() { return avx2::table<double>(); }

}  // namespace streamdl
