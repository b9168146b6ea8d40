// The memory traffic of a rule's step, and nothing else: passes over rows of arrays, some read, some read, changed and
// written.

#include <cstddef>
#include <cstdlib>
#include <cstring>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace {

constexpr std::size_t kHugePage = std::size_t{1} << 21;
#if defined(__AVX512F__)
typedef float Lanes __attribute__((vector_size(64)));
#else
typedef float Lanes __attribute__((vector_size(32)));
#endif
constexpr std::size_t kLanes = sizeof(Lanes) / sizeof(float);
// As many independent sums as hide the latency of an add.
constexpr std::size_t kUnroll = 4;
volatile float sink;

void read(const float* from, std::size_t vectors, Lanes* sums) {
  const Lanes* v = reinterpret_cast<const Lanes*>(from);
  std::size_t i = 0;
  for (; i + kUnroll <= vectors; i += kUnroll)
    for (std::size_t j = 0; j < kUnroll; ++j) sums[j] += v[i + j];
  for (; i < vectors; ++i) sums[0] += v[i];
}

void change(float* at, std::size_t vectors) {
  Lanes* v = reinterpret_cast<Lanes*>(at);
  for (std::size_t i = 0; i < vectors; ++i) v[i] = v[i] * 0.999f + 1e-6f;
}

}  // namespace

// Row i starts at rows + i * stride; it holds `arrays` arrays of `padded` floats, one after the other.
struct Layer {
  float* rows;
  std::size_t count, padded, arrays, stride;
};
// Bit k of `reads` and `changes` is array k.
struct Pass {
  int active_only;
  unsigned reads, changes;
};

namespace {

void visit(const Layer& layer, const Pass& pass, const int* active, int active_count, Lanes* sums) {
  const std::size_t vectors = layer.padded / kLanes;
  const std::size_t rows = pass.active_only ? (std::size_t)active_count : layer.count;
  for (std::size_t i = 0; i < rows; ++i) {
    float* row = layer.rows + (pass.active_only ? (std::size_t)active[i] : i) * layer.stride;
    for (std::size_t k = 0; k < layer.arrays; ++k) {
      float* at = row + k * layer.padded;
      if (pass.changes >> k & 1) change(at, vectors);
      else if (pass.reads >> k & 1) read(at, vectors, sums);
    }
  }
}

}  // namespace

extern "C" {

// Zeroed memory on huge pages where the system grants them; null where there is none.
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

// Of each example `counts` says how many rows of each layer are active, and `active` which: layer after layer, example
// after example. As in a step, the first pass goes through the layers forth, the others back.
void sweep(const Layer* layers, int layer_count, const Pass* passes, int pass_count, const int* active,
           const int* counts, int examples) {
  Lanes sums[kUnroll] = {};
  for (int e = 0; e < examples; ++e) {
    for (int p = 0; p < pass_count; ++p)
      for (int step = 0; step < layer_count; ++step) {
        const int l = p == 0 ? step : layer_count - 1 - step;
        const int* rows = active;
        for (int before = 0; before < l; ++before) rows += counts[before];
        visit(layers[l], passes[p], rows, counts[l], sums);
      }
    for (int l = 0; l < layer_count; ++l) active += counts[l];
    counts += layer_count;
  }
  Lanes total = {};
  for (const Lanes& sum : sums) total += sum;
  sink = total[0];
}
}
