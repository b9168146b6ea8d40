// The memory traffic of one dense learning step, and nothing else: every float is read once
// (forward), then read, changed and written once (backward and update).

#include <cstddef>
#include <cstdlib>
#include <cstring>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace {

constexpr std::size_t kHugePage = std::size_t{1} << 21;
// Eight vectors at a time: enough independent sums to hide the latency of an add.
typedef float Lanes __attribute__((vector_size(32)));
constexpr std::size_t kUnroll = 8;
constexpr std::size_t kBlock = kUnroll * sizeof(Lanes) / sizeof(float);
volatile float sink;

}  // namespace

extern "C" {

// A buffer of at least `bytes`, on huge pages where the system grants them.
float* create(std::size_t bytes) {
  bytes = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  void* memory = std::aligned_alloc(kHugePage, bytes);
  if (memory == nullptr) return nullptr;
#if defined(__linux__)
  madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  std::memset(memory, 0, bytes);
  return static_cast<float*>(memory);
}

// `repeats` times: read `count` floats, then w = w * c + d on each; count is a multiple of 64.
void step(float* buffer, std::size_t count, std::size_t repeats) {
  for (std::size_t repeat = 0; repeat < repeats; ++repeat) {
    Lanes sums[kUnroll] = {};
    for (std::size_t i = 0; i < count; i += kBlock) {
      const Lanes* from = reinterpret_cast<const Lanes*>(buffer + i);
      for (std::size_t j = 0; j < kUnroll; ++j) sums[j] += from[j];
    }
    Lanes total = {};
    for (const Lanes& sum : sums) total += sum;
    float scalar = 0.0f;
    for (std::size_t lane = 0; lane < sizeof(Lanes) / sizeof(float); ++lane) scalar += total[lane];
    sink = scalar;
    for (std::size_t i = 0; i < count; i += kBlock) {
      Lanes* to = reinterpret_cast<Lanes*>(buffer + i);
      for (std::size_t j = 0; j < kUnroll; ++j) to[j] = to[j] * 0.999f + 1e-6f;
    }
  }
}
}
