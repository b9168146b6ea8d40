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

// `kRows` arrays at once: active rows lie apart, as silent ones do, and several together keep more of the memory busy than
// one after the other; rows that follow each other are fastest by themselves.
template <std::size_t kRows>
void read(float* const* rows, std::size_t vectors, Lanes* sums) {
  constexpr std::size_t kStep = kUnroll / kRows;
  std::size_t i = 0;
  auto add = [&](std::size_t row, std::size_t at, Lanes& sum) { sum += reinterpret_cast<Lanes*>(rows[row])[at]; };
  for (; i + kStep <= vectors; i += kStep)
    for (std::size_t j = 0; j < kUnroll; ++j) add(j % kRows, i + j / kRows, sums[j]);
  for (; i < vectors; ++i)
    for (std::size_t row = 0; row < kRows; ++row) add(row, i, sums[row]);
}

template <std::size_t kRows>
void change(float* const* rows, std::size_t vectors) {
  for (std::size_t i = 0; i < vectors; ++i)
    for (std::size_t row = 0; row < kRows; ++row) {
      Lanes& v = reinterpret_cast<Lanes*>(rows[row])[i];
      v = v * 0.999f + 1e-6f;
    }
}

}  // namespace

// Row i starts at rows + i * stride; it holds `arrays` arrays of `padded` floats, one after the other.
struct Layer {
  float* rows;
  std::size_t count, padded, arrays, stride;
};
// Bit k of `reads` and `changes` is array k.
enum Rows : int { all, active, silent };
struct Pass {
  int rows;
  unsigned reads, changes;
};

namespace {

template <std::size_t kRows>
void visit(const Layer& layer, const Pass& pass, float* const* rows, Lanes* sums) {
  const std::size_t vectors = layer.padded / kLanes;
  for (std::size_t k = 0; k < layer.arrays; ++k) {
    float* arrays[kRows];
    for (std::size_t row = 0; row < kRows; ++row) arrays[row] = rows[row] + k * layer.padded;
    if (pass.changes >> k & 1) change<kRows>(arrays, vectors);
    else if (pass.reads >> k & 1) read<kRows>(arrays, vectors, sums);
  }
}

void visit(const Layer& layer, const Pass& pass, const int* rows, int count, Lanes* sums) {
  if (pass.rows == Rows::all) {
    for (std::size_t i = 0; i < layer.count; ++i) {
      float* row = layer.rows + i * layer.stride;
      visit<1>(layer, pass, &row, sums);
    }
    return;
  }
  auto row = [&](int i) { return layer.rows + (std::size_t)rows[i] * layer.stride; };
  int i = 0;
  for (; i + 4 <= count; i += 4) {
    float* four[] = {row(i), row(i + 1), row(i + 2), row(i + 3)};
    visit<4>(layer, pass, four, sums);
  }
  for (; i < count; ++i) {
    float* one = row(i);
    visit<1>(layer, pass, &one, sums);
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

// Of each example `counts` says how many rows of each layer are active, `active` which, and `silent` which are not: layer
// after layer, example after example. As in a step, the first pass goes through the layers forth, the others back.
void sweep(const Layer* layers, int layer_count, const Pass* passes, int pass_count, const int* active,
           const int* silent, const int* counts, int examples) {
  Lanes sums[kUnroll] = {};
  for (int e = 0; e < examples; ++e) {
    auto silent_count = [&](int l) { return (int)layers[l].count - counts[l]; };
    for (int p = 0; p < pass_count; ++p) {
      const bool of_silent = passes[p].rows == Rows::silent;
      for (int step = 0; step < layer_count; ++step) {
        const int l = p == 0 ? step : layer_count - 1 - step;
        const int* rows = of_silent ? silent : active;
        for (int before = 0; before < l; ++before) rows += of_silent ? silent_count(before) : counts[before];
        visit(layers[l], passes[p], rows, of_silent ? silent_count(l) : counts[l], sums);
      }
    }
    for (int l = 0; l < layer_count; ++l) {
      active += counts[l];
      silent += silent_count(l);
    }
    counts += layer_count;
  }
  Lanes total = {};
  for (const Lanes& sum : sums) total += sum;
  sink = total[0];
}
}
