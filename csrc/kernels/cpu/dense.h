// The dense loops that know no optimizer: forward, read-only backward, sums.
#pragma once

#include "kernels/cpu/memory.h"
#include "kernels/kernels.h"
#include "math/lanes.h"

STREAMDL_BEGIN

//---------------------------------------------------------------------------- forward

// acc + (x0 w0 + x1 w1 + x2 w2 + x3 w3): the one order of summation, in every variant below. Lists of rows are
// filled up to whole groups, see kernels.h.
template <class V, class T>
STREAMDL_HD V add_rows(V acc, const V (&x)[4], const T* const (&row)[4], int column) {
  V t = x[0] * load_register(row[0] + column);
  for (int r = 1; r < 4; ++r) t = fma(x[r], load_register(row[r] + column), t);
  return acc + t;
}

template <class V, class T>
STREAMDL_HD void take_rows(const ForwardArgs<T>& a, const int32_t* rows, int column, V (&x)[4], const T* (&row)[4]) {
  for (int r = 0; r < 4; ++r) {
    x[r] = V(a.x[rows[r]]);
    row[r] = a.weights + column + rows[r] * a.row_stride;
  }
}

// A tile of columns stays in registers over all rows: for weights that lie in the near caches.
template <int kTile, class V, class T>
STREAMDL_HD void forward_tile(const ForwardArgs<T>& a, int column) {
  // Where the registers hold sums besides: along one row after the other, as they lie in memory.
  constexpr bool kInOrder = !kHalves && kTile >= 8 && kTile <= 12;
  V acc[kTile];
  for (int t = 0; t < kTile; ++t) acc[t] = a.bias ? load_register(a.bias + column + t * V::width) : V(0);
  for (int i = 0; i < a.row_count; i += 4) {
    if constexpr (!kInOrder) {
      V x[4];
      const T* row[4];
      take_rows(a, a.rows + i, column, x, row);
#pragma GCC unroll 16
      for (int t = 0; t < kTile; ++t) acc[t] = add_rows(acc[t], x, row, t * V::width);
    } else {
      V sum[kTile];
      for (int t = 0; t < kTile; ++t) sum[t] = V(T(-0.0));  // x w - 0 is x w, and its sign
#pragma GCC unroll 1
      for (int r = 0; r < 4; ++r) {  // not unrolled: a load that returns every row is fetched for early
        const V x(a.x[a.rows[i + r]]);
        const T* row = a.weights + column + a.rows[i + r] * a.row_stride;
#pragma GCC unroll 16
        for (int t = 0; t < kTile; ++t) sum[t] = fma(x, load_register(row + t * V::width), sum[t]);
      }
#pragma GCC unroll 16
      for (int t = 0; t < kTile; ++t) acc[t] = acc[t] + sum[t];
    }
  }
  for (int t = 0; t < kTile; ++t) store(a.out + column + t * V::width, acc[t]);
}

// Four whole rows at a time: for weights that stream from the far caches or memory, where the processor
// fetches ahead along a row. The next four rows are asked for early.
template <class V, class T>
STREAMDL_HD void forward_sweep(const ForwardArgs<T>& a, const int32_t* rows) {
  V x[4];
  const T *row[4], *next[4];
  take_rows(a, rows + 4, 0, x, next);
  take_rows(a, rows, 0, x, row);
  for (int j = a.begin; j < a.end; j += Lanes<T>::width) {
    for (int r = 0; kHalves && r < 4; ++r) __builtin_prefetch(next[r] + j);
#pragma GCC unroll 2
    for (int i = j; i < j + Lanes<T>::width; i += V::width)
      store(a.out + i, add_rows(load_register(a.out + i), x, row, i));
  }
}

// Calls of their own, so that small layers do not pay for the registers of large ones.
template <int kTile, class T>
[[gnu::noinline]] void forward_wide_tile(const ForwardArgs<T>& args, int column) {
  const ForwardArgs<T> a = args;
  forward_tile<kTile, Register<T>>(a, column);
}

template <class T>
[[gnu::noinline]] void forward_streaming(const ForwardArgs<T>& args) {
  using V = Lanes<T>;
  const ForwardArgs<T> a = args;
  for (int j = a.begin; j < a.end; j += V::width) store(a.out + j, a.bias ? load(a.bias + j) : V(0));
  for (int i = 0; i < a.row_count; i += 4) forward_sweep<Register<T>>(a, a.rows + i);
}

template <class T>
void forward(const ForwardArgs<T>& args) {
  if (args.level != Level::near) return forward_streaming(args);
  using R = Register<T>;  // tiles of registers, so that little is computed behind the last column
  constexpr int kMost = kHalves ? 8 : 16;
  const ForwardArgs<T> a = args;  // a copy, since vector stores may change anything else
  int j = a.begin;
  for (; j + kMost * R::width <= a.end; j += kMost * R::width) forward_wide_tile<kMost>(args, j);
  for (int left; (left = (a.end - j + R::width - 1) / R::width) > 0;) {
    if (left == 1) forward_tile<1, R>(a, j), j += R::width;
    else if (left == 2) forward_tile<2, R>(a, j), j += 2 * R::width;
    else if (left == 3) forward_tile<3, R>(a, j), j += 3 * R::width;
    else if (left < 8) forward_wide_tile<4>(args, j), j += 4 * R::width;
    else if (left < 12 || kHalves) forward_wide_tile<8>(args, j), j += 8 * R::width;
    else forward_wide_tile<12>(args, j), j += 12 * R::width;
  }
}

//---------------------------------------------------------------------------- backward, reading only

template <bool kSquared, class T>
void backward_rows(const UpdateArgs<T>& a) {
  using V = Lanes<T>;
  constexpr int kRows = 4;
  for (int i = 0; i < a.row_count; i += kRows) {
    const int32_t* rows = a.rows + i;
    V dot[kRows];
    for (V& each : dot) each = V(0);
    for (int j = 0; j < a.columns; j += V::width) {
      const V delta = load(a.delta + j);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        ask_for(a.weights + rows[r + kRows] * a.row_stride + j);
        const V w = load(a.weights + rows[r] * a.row_stride + j);
        dot[r] = fma(kSquared ? w * w : w, delta, dot[r]);
      }
    }
    T out[kRows];
    sum4(dot[0], dot[1], dot[2], dot[3], out);
    for (int r = 0; r < kRows; ++r) a.input_delta[rows[r]] = out[r];
  }
}

template <class T>
void backward(const UpdateArgs<T>& a, bool squared) {
  squared ? backward_rows<true>(a) : backward_rows<false>(a);
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
  for (int j = 0; j < columns; j += V::width) store(gradient + j, fma(V(x), load(delta + j), load(gradient + j)));
}

template <class T>
T largest(const T* in, int padded_count) {
  using V = Lanes<T>;
  V most(0);
  for (int j = 0; j < padded_count; j += V::width) most = max(abs(load(in + j)), most);
  return maximum(most);
}

template <class T>
bool any_negative(const T* in, int padded_count) {
  using V = Lanes<T>;
  V least(0);
  for (int j = 0; j < padded_count; j += V::width) least = min(load(in + j), least);
  return !all(least == V(0));
}

// The largest finite number.
template <class T>
inline constexpr T kFinite = sizeof(T) == 4 ? (T)0x1.fffffep127 : (T)0x1.fffffffffffffp1023;

template <class T>
bool all_finite(const T* in, int padded_count) {
  using V = Lanes<T>;
  bool finite = true;
  for (int j = 0; j < padded_count; j += V::width) finite &= all(abs(load(in + j)) <= V(kFinite<T>));
  return finite;
}

STREAMDL_END
