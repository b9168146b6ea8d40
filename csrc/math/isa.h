// Names the instruction set that the including translation unit is compiled for.
//
// Everything above this line of the house that contains arithmetic lives in the namespace
// streamdl::STREAMDL_ISA, so that the linker can never hand a function compiled for AVX-512 to a
// caller on an older processor. Host code that is compiled once uses the set "base".
#pragma once

#ifndef STREAMDL_ISA
#define STREAMDL_ISA base
#endif

#define STREAMDL_BEGIN namespace streamdl::STREAMDL_ISA {
#define STREAMDL_END }

// STREAMDL_COLD is for what hardly ever runs: out of line, so that it takes no registers from the loop
// around it.
#if defined(__CUDACC__)
#define STREAMDL_HD __host__ __device__ __forceinline__
#define STREAMDL_COLD STREAMDL_HD
#else
#define STREAMDL_HD inline __attribute__((always_inline))
#define STREAMDL_COLD __attribute__((noinline, cold))
#endif
