// Same bits everywhere: every operation, elementary function and random word of each instruction
// set against the scalar vector type, on random bit patterns (denormals, zeros of both signs,
// infinities, NaN included). Any NaN equals any NaN. ./test_lanes [lanes per operation, default
// 1048576]
//
//   flags="-std=c++20 -O3 -ffp-contract=off -Wall -Wextra -Icsrc -Itests/csrc"
//   set=tests/csrc/math/lanes_set.cpp; main=tests/csrc/math/test_lanes.cpp
//   avx512="-mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma"
//   g++ $flags -DSTREAMDL_ISA=scalar -c $set -o scalar.o
//   g++ $flags -DSTREAMDL_ISA=avx2 -DSTREAMDL_USE_AVX2 -mavx2 -mfma -c $set -o avx2.o
//   g++ $flags -DSTREAMDL_ISA=avx512 -DSTREAMDL_USE_AVX512 $avx512 -c $set -o avx512.o
//   g++ $flags -DTEST_AVX2 -DTEST_AVX512 $main scalar.o avx2.o avx512.o -o test_lanes
// AVX-512 where the processor has none, by SIMDe (libsimde-dev); then -DTEST_AVX512_EMULATED:
//   g++ $flags -Wno-psabi -Itests/csrc/math/emulated -mavx2 -mfma -DSTREAMDL_ISA=avx512
//       -DSTREAMDL_USE_AVX512 -c $set -o avx512.o
// AArch64 on any machine, by qemu-aarch64-static; all with aarch64-linux-gnu-g++ -static:
//   $flags -DSTREAMDL_ISA=neon -DSTREAMDL_USE_NEON -c $set -o neon.o, then -DTEST_NEON
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <vector>

#include "check.h"
#include "lanes_set.h"
#include "learner/threads.h"
#include "math/philox.h"

namespace m = streamdl::base;

namespace streamdl::scalar {
extern const LaneSet lane_set, plain_set;
}
namespace streamdl::avx2 {
extern const LaneSet lane_set, plain_set;
}
namespace streamdl::avx512 {
extern const LaneSet lane_set, plain_set;
}
namespace streamdl::neon {
extern const LaneSet lane_set, plain_set;
}

#define OPERATION_TEXT(name, ...) #name,
const char* const operation_names[] = {LANE_OPERATIONS(OPERATION_TEXT) VECTOR_OPERATIONS(OPERATION_TEXT)
                                           FLOAT_OPERATIONS(OPERATION_TEXT)};
#undef OPERATION_TEXT

//---------------------------------------------------------------------------- inputs

// One number: any bits, a moderate one, one over the whole range of exp, a special one or a small
// one.
template <class T>
T draw(uint32_t kind, uint32_t high, uint32_t low) {
  using limits = std::numeric_limits<T>;
  const T special[] = {T(0),
                       T(-0.0),
                       limits::infinity(),
                       -limits::infinity(),
                       limits::quiet_NaN(),
                       limits::denorm_min(),
                       -limits::denorm_min(),
                       limits::min(),
                       -limits::min(),
                       limits::max(),
                       limits::lowest(),
                       T(1),
                       T(-1),
                       T(0.5),
                       T(0x1p-4),
                       T(-0x1p-4)};
  const T unit = (T)(2 * m::uniform(high, low) - 1);
  switch (kind) {
    case 0:
    case 1:
      if constexpr (sizeof(T) == 4) return m::from_bits(high);
      else return m::from_bits((uint64_t)high << 32 | low);
    case 2:
    case 3: return 4 * unit;
    case 4: return (sizeof(T) == 4 ? 120 : 800) * unit;
    case 5: return special[high % 16];
    default: return (T)0.06 * unit;
  }
}

// Four vectors per block. Half of the blocks are of one kind, so that short cuts for "all lanes"
// run.
template <class T>
void fill(std::vector<T>& in, uint32_t seed) {
  constexpr size_t width = 64 / sizeof(T);
  for (size_t i = 0; i < in.size(); ++i) {
    const size_t block = i / (kVectorsIn * width), vector = i / width % kVectorsIn;
    uint32_t words[4], of_block[4];
    m::philox((uint32_t)i, seed, 0, 0, sizeof(T), 0, words);
    m::philox((uint32_t)block, seed, 1, 0, sizeof(T), 0, of_block);
    const uint32_t kind = of_block[0] & 1 ? of_block[1] & 7 : words[2] & 7;
    in[i] = draw<T>(kind, words[0], words[1]);
    const int range = sizeof(T) == 4 ? 254 : 2046;  // whole numbers for scale
    if (vector == 3) in[i] = (T)((int)(words[0] % (uint32_t)range) - (range / 2 - 1));
  }
}

//---------------------------------------------------------------------------- comparison

void run(const LaneSet& set, Operation operation, const std::vector<float>& in, std::vector<float>& out, int blocks) {
  set.run_float(operation, in.data(), out.data(), blocks);
}
void run(const LaneSet& set, Operation operation, const std::vector<double>& in, std::vector<double>& out, int blocks) {
  set.run_double(operation, in.data(), out.data(), blocks);
}

template <class T>
bool same(T a, T b) {
  return m::to_bits(a) == m::to_bits(b) || (a != a && b != b);
}

// Every operation on `lanes` numbers; prints the first difference of each operation.
template <class T>
void compare(const LaneSet& set, bool plain, int lanes) {
  constexpr int width = 64 / sizeof(T), batch = 256;
  const char* const type = sizeof(T) == 4 ? "float" : "double";
  std::vector<T> in(batch * kVectorsIn * width), expected(batch * kVectorsOut * width), got(expected);
  std::vector<long> differing(operation_count);
  for (int done = 0, round = 0; done < lanes; done += batch * width, ++round) {
    fill(in, (uint32_t)round);
    for (int k = 0; k < operation_count; ++k) {
      if (plain && (k >= sums && k <= widened)) continue;
      if (sizeof(T) == 8 && k >= widened) continue;
      expected.assign(expected.size(), T(0));
      got.assign(got.size(), T(0));
      run(streamdl::scalar::lane_set, (Operation)k, in, expected, batch);
      run(set, (Operation)k, in, got, batch);
      for (size_t i = 0; i < got.size(); ++i) {
        if (same(got[i], expected[i])) continue;
        if (differing[k]++) continue;
        const T* const a = &in[i / (kVectorsOut * width) * kVectorsIn * width + i % width];
        std::printf("%s %s %s: got %a, expected %a, from a %a b %a c %a n %a\n", set.name, type, operation_names[k],
                    (double)got[i], (double)expected[i], (double)a[0], (double)a[width], (double)a[2 * width],
                    (double)a[3 * width]);
      }
    }
  }
  for (int k = 0; k < operation_count; ++k) check_equal(differing[k], 0L, __FILE__, __LINE__, operation_names[k]);
  std::printf("%-13s %-6s compared on %d lanes\n", set.name, type, lanes);
}

//---------------------------------------------------------------------------- known answers

// From the authors' table of test vectors: counter, key, words.
void check_known_words() {
  const uint32_t known[3][10] = {
      {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
      {~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
      {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0,  // digits of pi
       0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
  for (const auto& k : known) {
    uint32_t words[4];
    m::philox(k[0], k[1], k[2], k[3], k[4], k[5], words);
    for (int i = 0; i < 4; ++i) CHECK_EQUAL(words[i], k[6 + i]);
  }
  CHECK_EQUAL(m::uniform(0, 0), 0.0);
  CHECK_EQUAL(m::uniform(~0u, ~0u), 1 - 0x1p-53);
  CHECK_EQUAL(m::uniform(1u << 31, 0), 0.5);
}

// The order of the additions is part of the promise, so it is written out once more here.
void check_tree() {
  float in[4 * 16] = {}, out[8 * 16] = {}, half[16];
  for (int i = 0; i < 16; ++i) half[i] = in[i] = 1.0f / (float)(3 + 7 * i % 16);
  for (int n = 8; n; n /= 2)
    for (int i = 0; i < n; ++i) half[i] += half[i + n];
  streamdl::scalar::lane_set.run_float(sums, in, out, 1);
  CHECK_EQUAL(out[0], half[0]);
}

// The sets that this processor has; without a word about the others the second time.
void compare_sets(int lanes, bool again) {
  const auto both = [lanes](const LaneSet& lane, const LaneSet& plain) {
    for (bool is_plain : {false, true}) {
      compare<float>(is_plain ? plain : lane, is_plain, lanes);
      compare<double>(is_plain ? plain : lane, is_plain, lanes);
    }
  };
  compare<float>(streamdl::scalar::plain_set, true, lanes);
  compare<double>(streamdl::scalar::plain_set, true, lanes);
#if defined(TEST_AVX2)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    both(streamdl::avx2::lane_set, streamdl::avx2::plain_set);
  else if (!again) std::printf("avx2 skipped: this processor has none\n");
#endif
#if defined(TEST_AVX512_EMULATED)
  both(streamdl::avx512::lane_set, streamdl::avx512::plain_set);
#elif defined(TEST_AVX512)
  if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
    both(streamdl::avx512::lane_set, streamdl::avx512::plain_set);
  else if (!again) std::printf("avx512 skipped: this processor has none\n");
#endif
#if defined(TEST_NEON)
  both(streamdl::neon::lane_set, streamdl::neon::plain_set);
#endif
}

int main(int count, char** arguments) {
  const int lanes = count > 1 ? std::atoi(arguments[1]) : 1 << 20;
  check_known_words();
  check_tree();
  compare_sets(lanes, false);
  const streamdl::FloatingPoint environment;  // as within a step
  compare_sets(lanes, true);
  return check_result();
}
