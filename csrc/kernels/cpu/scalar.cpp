// The kernels for scalar (any processor: the plain version).
#define STREAMDL_ISA scalar

#include "kernels/cpu/table.h"

namespace streamdl {

const Kernels<float>& kernels_scalar_single() { return scalar::table<float>(); }
const Kernels<double>& kernels_scalar_double() { return scalar::table<double>(); }

}  // namespace streamdl
