// The dense loops that know no optimizer: forward, read-only backward, sums.
#pragma once

#include "kernels/kernels.h"
#include "math/lanes.h"

STREAMDL_BEGIN

//---------------------------------------------------------------------------- forward

// acc + (x0 w0 + x1 w1 + x2 w2 + x3 w3): the one order of summation, in every variant below.
template <int kRows, class V, class T>
STREAMDL_HD V add_rows(V acc, const V (&x)[kRows], const T* const (&row)[kRows], int column) {
  V t = x[0] * load_register(row[0] + column);
  for (int r = 1; r < kRows; ++r) t = fma(x[r], load_register(row[r] + column), t);
  return acc + t;
}

template <int kRows, int kTile, class V, class T>
STREAMDL_HD void add_group(const ForwardArgs<T>& a, const int32_t* rows, int column, V (&acc)[kTile]) {
  V x[kRows];
  const T* row[kRows];
  for (int r = 0; r < kRows; ++r) {
    x[r] = V(a.x[rows[r]]);
    row[r] = a.weights + rows[r] * a.row_stride;
  }
#pragma GCC unroll 8
  for (int t = 0; t < kTile; ++t)
    acc[t] = add_rows<kRows>(acc[t], x, row, column + t * V::width);
}

// A tile of columns stays in registers over all rows: for weights that lie in the near caches.
template <int kTile, class V, class T>
STREAMDL_HD void forward_tile(const ForwardArgs<T>& a, int column) {
  V acc[kTile];
  for (int t = 0; t < kTile; ++t)
    acc[t] = a.bias ? load_register(a.bias + column + t * V::width) : V(0);
  int i = 0;
  for (; i + 4 <= a.row_count; i += 4) add_group<4>(a, a.rows + i, column, acc);
  switch (a.row_count - i) {
    case 3: add_group<3>(a, a.rows + i, column, acc); break;
    case 2: add_group<2>(a, a.rows + i, column, acc); break;
    case 1: add_group<1>(a, a.rows + i, column, acc); break;
    default: break;
  }
  for (int t = 0; t < kTile; ++t) store(a.out + column + t * V::width, acc[t]);
}

// Four whole rows at a time: for weights that stream from the far caches or memory, where the processor
// fetches ahead along a row. The next four rows are asked for early.
template <int kRows, class V, class T>
STREAMDL_HD void forward_sweep(const ForwardArgs<T>& a, const int32_t* rows, bool more) {
  V x[kRows];
  const T* row[kRows];
  const T* next[kRows];
  for (int r = 0; r < kRows; ++r) {
    x[r] = V(a.x[rows[r]]);
    row[r] = a.weights + rows[r] * a.row_stride;
    next[r] = more ? a.weights + rows[r + kRows] * a.row_stride : row[r];
  }
  for (int j = a.begin; j < a.end; j += Lanes<T>::width) {
    for (int r = 0; r < kRows; ++r) __builtin_prefetch(next[r] + j);
#pragma GCC unroll 2
    for (int i = j; i < j + Lanes<T>::width; i += V::width)
      store(a.out + i, add_rows<kRows>(load_register(a.out + i), x, row, i));
  }
}

template <class T>
void forward(const ForwardArgs<T>& a) {
  using V = Lanes<T>;
  if (!a.streaming) {
    using R = Register<T>;  // tiles of registers, so that little is computed behind the last column
    constexpr int kMost = 4 * V::width / R::width;
    int j = a.begin;
    for (; j + kMost * R::width <= a.end; j += kMost * R::width) forward_tile<kMost, R>(a, j);
    for (int left; (left = (a.end - j + R::width - 1) / R::width) > 0;) {
      if (left >= 4) forward_tile<4, R>(a, j), j += 4 * R::width;
      else if (left == 3) forward_tile<3, R>(a, j), j += 3 * R::width;
      else if (left == 2) forward_tile<2, R>(a, j), j += 2 * R::width;
      else forward_tile<1, R>(a, j), j += R::width;
    }
    return;
  }
  for (int j = a.begin; j < a.end; j += V::width) store(a.out + j, a.bias ? load(a.bias + j) : V(0));
  int i = 0;
  for (; i + 4 <= a.row_count; i += 4) forward_sweep<4, Register<T>>(a, a.rows + i, i + 8 <= a.row_count);
  switch (a.row_count - i) {
    case 3: forward_sweep<3, Register<T>>(a, a.rows + i, false); break;
    case 2: forward_sweep<2, Register<T>>(a, a.rows + i, false); break;
    case 1: forward_sweep<1, Register<T>>(a, a.rows + i, false); break;
    default: break;
  }
}

//---------------------------------------------------------------------------- backward, reading only

template <class T>
void backward(const UpdateArgs<T>& a, bool squared) {
  using V = Lanes<T>;
  for (int i = 0; i < a.row_count; ++i) {
    const T* row = a.weights + a.rows[i] * a.row_stride;
    V dot(0);
    for (int j = 0; j < a.columns; j += V::width) {
      const V w = load(row + j);
      dot = squared ? fma(w * w, load(a.delta + j), dot) : fma(w, load(a.delta + j), dot);
    }
    a.input_delta[a.rows[i]] = sum(dot);
  }
}

//---------------------------------------------------------------------------- sums and minibatches

template <class T>
T absolute_sum(const T* row, int columns) {
  using V = Lanes<T>;
  V total(0);
  for (int j = 0; j < columns; j += V::width) total = total + abs(load(row + j));
  return sum(total);
}

template <class T>
void accumulate(T* gradient, T x, const T* delta, int columns) {
  using V = Lanes<T>;
  for (int j = 0; j < columns; j += V::width)
    store(gradient + j, fma(V(x), load(delta + j), load(gradient + j)));
}

template <class T>
T largest(const T* in, int padded_count) {
  using V = Lanes<T>;
  V most(0);
  for (int j = 0; j < padded_count; j += V::width) most = max(abs(load(in + j)), most);
  return maximum(most);
}

// The largest finite number.
template <class T>
inline constexpr T kFinite = sizeof(T) == 4 ? (T)0x1.fffffep127 : (T)0x1.fffffffffffffp1023;

template <class T>
bool all_finite(const T* in, int padded_count) {
  using V = Lanes<T>;
  bool finite = true;
  for (int j = 0; j < padded_count; j += V::width)
    finite &= all(abs(load(in + j)) <= V(kFinite<T>));
  return finite;
}

template <class T>
bool copy_finite(const T* in, T* out, int n, T* largest_seen) {
  using V = Lanes<T>;
  V most(0);
  bool finite = true;
  for (int j = 0; j < n; j += V::width) {
    const V x = j + V::width <= n ? load(in + j) : load_first(in + j, n - j), magnitude = abs(x);
    finite &= all(magnitude <= V(kFinite<T>));
    most = max(magnitude, most);
    store(out + j, x);
  }
  *largest_seen = maximum(most);
  return finite;
}

// Positions of the set bits of a byte: compaction without branches.
struct BitPositions {
  int32_t position[256][8];
};
constexpr BitPositions bit_positions() {
  BitPositions table{};
  for (int byte = 0; byte < 256; ++byte)
    for (int bit = 0, k = 0; bit < 8; ++bit)
      if (byte >> bit & 1) table.position[byte][k++] = bit;
  return table;
}

template <class T>
int list_active(const T* in, int padded_count, int32_t* __restrict__ out) {
  using V = Lanes<T>;
  static constexpr BitPositions table = bit_positions();
  int count = 0;
  for (int j = 0; j < padded_count; j += V::width) {
    uint32_t bits = to_bits(load(in + j) != V(0));
    for (int k = 0; k < V::width; k += 8, bits >>= 8) {
      const int32_t* __restrict__ position = table.position[bits & 0xff];
      for (int b = 0; b < 8; ++b) out[count + b] = j + k + position[b];
      count += __builtin_popcount(bits & 0xff);
    }
  }
  return count;
}

STREAMDL_END
