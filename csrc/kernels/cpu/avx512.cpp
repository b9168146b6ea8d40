// The kernels for avx512 (-mavx512f -mavx512dq -mavx512bw -mavx512vl).
#define STREAMDL_ISA avx512
#define STREAMDL_USE_AVX512
#include "kernels/cpu/table.h"

namespace streamdl {

const Kernels<float>& kernels_avx512_single() { return avx512::table<float>(); }
const Kernels<double>& kernels_avx512_double() { return avx512::table<double>(); }

}  // namespace streamdl
