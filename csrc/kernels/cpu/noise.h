// Normal draws for whole rows of weights.
#pragma once

#include "math/elementary.h"
#include "math/philox.h"

STREAMDL_BEGIN

// A counter gives two normals from words 0 and 1 and two from 2 and 3, so sixteen counters give these many.
inline constexpr int kNormals = 64;

// The normals of counters first to first + 15, and 0 from the n-th on; `noise` holds a counter, whose first word counts
// from 0, and a key.
template <class T>
STREAMDL_HD void draw_normals(T* out, uint32_t first, const uint32_t* noise, int n) {
  SpreadWords words[4];
  philox(spread(Words(noise[0] + first) + iota()), noise[1], noise[2], noise[3], noise[4], noise[5], words);
  for (int half = 0; half < 2; ++half) {
    Lanes<float> z[2];
    normals(gathered(words[2 * half]), gathered(words[2 * half + 1]), z[0], z[1]);
    for (int k = 0; k < 2; ++k) {
      T* const to = out + 32 * half + 16 * k;
      if constexpr (sizeof(T) == 4) {
        store(to, z[k]);
      } else {
        Lanes<double> lower, upper;
        widen(z[k], lower, upper);
        store(to, lower);
        store(to + 8, upper);
      }
    }
  }
  for (int i = n; i < kNormals; ++i) out[i] = T(0);  // padding stays 0
}

// Counters that a row of n numbers takes.
STREAMDL_HD constexpr uint32_t counters_of(int n) { return ((uint32_t)n + kNormals - 1) / kNormals * 16; }

STREAMDL_END
