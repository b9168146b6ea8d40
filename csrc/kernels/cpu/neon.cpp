// The kernels for neon (aarch64, always present).
#define STREAMDL_ISA neon
#define STREAMDL_USE_NEON
#include "kernels/cpu/table.h"

namespace streamdl {

const Kernels<float>& kernels_neon_single() { return neon::table<float>(); }
const Kernels<double>& kernels_neon_double() { return neon::table<double>(); }

}  // namespace streamdl
