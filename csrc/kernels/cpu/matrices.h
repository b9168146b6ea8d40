// What plasticity methods do to whole matrices of weights, `stride` apart their rows of n numbers, in whole vectors.
#pragma once

#include "kernels/cpu/memory.h"
#include "kernels/kernels.h"
#include "math/lanes.h"

STREAMDL_BEGIN

// How far ahead memory is asked for.
template <class T>
inline constexpr int kAhead = 16384 / (int)sizeof(T);

// slow = decay slow + rest w.
template <class T>
void follow(const T* w, T* slow, ptrdiff_t stride, int rows, int n, T decay, T rest) {
  using V = Lanes<T>;
  const V keep(decay), take(rest);
  for (; rows > 0; --rows, w += stride, slow += stride)
    for (int j = 0; j < n; j += V::width) {
      ask_for(w + j + kAhead<T>);
      ask_for(slow + j + kAhead<T>);
      store(slow + j, keep * load(slow + j) + take * load(w + j));
    }
}

// Of kRows rows at once: each has eight sums, which run beside each other in a fixed order.
template <int kRows, class T>
STREAMDL_HD void add_squares(const T* w, ptrdiff_t stride, int n, double& total) {
  using D = Lanes<double>;
  D part[kRows];
  for (D& p : part) p = D(0);
  for (int j = 0; j < n; j += kLanes<T>)
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const T* const at = w + r * stride + j;
      ask_for(at + kRows * stride);
      if constexpr (sizeof(T) == 4) {
        D first, second;
        widen(load(at), first, second);
        part[r] = part[r] + first * first;
        part[r] = part[r] + second * second;
      } else {
        part[r] = part[r] + load(at) * load(at);
      }
    }
  for (int r = 0; r < kRows; ++r) {
    double sum[8];
    store(sum, part[r]);
    total += ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
  }
}

// The sum of w^2. Four rows at once, since one waits for its own sums.
template <class T>
double squares(const T* w, ptrdiff_t stride, int rows, int n) {
  double total = 0;
  int i = 0;
  for (; i + 4 <= rows; i += 4) add_squares<4>(w + i * stride, stride, n, total);
  for (; i < rows; ++i) add_squares<1>(w + i * stride, stride, n, total);
  return total;
}

// w = factor w; returns the largest |w|.
template <class T>
T multiply_all(T* w, ptrdiff_t stride, int rows, int n, double factor) {
  using V = Lanes<T>;
  using D = Lanes<double>;
  const D by(factor);
  V most(0);
  for (; rows > 0; --rows, w += stride)
    for (int j = 0; j < n; j += V::width) {
      T* const at = w + j;
      ask_for(at + kAhead<T>);
      V x;
      if constexpr (sizeof(T) == 4) {
        D first, second;
        widen(load(at), first, second);
        x = narrow(first * by, second * by);
      } else {
        x = load(at) * by;
      }
      most = max(abs(x), most);
      store(at, x);
    }
  return maximum(most);
}

STREAMDL_END
