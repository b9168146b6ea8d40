// What plasticity methods do to whole matrices of weights, `stride` apart their rows of n numbers, in whole vectors.
#pragma once

#include "kernels/cpu/memory.h"
#include "kernels/kernels.h"
#include "math/lanes.h"
#include "rules/table.h"

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
  V most(0);
  auto pass = [&](auto multiplied) __attribute__((always_inline)) {
    for (; rows > 0; --rows, w += stride)
      for (int j = 0; j < n; j += V::width) {
        T* const at = w + j;
        if (stride != n) ask_for(at + kAhead<T>);  // without gaps the processor knows by itself
        const V x = multiplied(load(at));
        most = max(abs(x), most);
        store(at, x);
      }
  };
  if (factor > 1 / kSmall && factor < kSmall) {  // two parts of it, so that single numbers need not be widened
    const V by((T)factor), rest((T)(factor - (T)factor));
    pass([&](V x) __attribute__((always_inline)) { return fma(x, by, x * rest); });
  } else if constexpr (sizeof(T) == 4) {
    const Lanes<double> by(factor);
    pass([&](V x) __attribute__((always_inline)) {
      Lanes<double> first, second;
      widen(x, first, second);
      return narrow(first * by, second * by);
    });
  } else {
    pass([&](V x) __attribute__((always_inline)) { return x * V(factor); });
  }
  return maximum(most);
}

STREAMDL_END
