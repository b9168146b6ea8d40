// Philox4x32-10: random words as a function of a counter and a key (Salmon, Moraes, Dror and Shaw,
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//
// There is no generator state: the key is the seed, the counter says which draw it is, and the
// words are the same whatever the instruction set, the thread or the order. One template serves a
// single counter (W = uint32_t, also in a constant expression) and sixteen at once (W = Words).
#pragma once

#include "math/number.h"

STREAMDL_BEGIN

// Ten rounds. With the halves of the two products M0 c0 and M1 c2, a round is
//   c0' = high(M1 c2) ^ c1 ^ k0    c1' = low(M1 c2)
//   c2' = high(M0 c0) ^ c3 ^ k1    c3' = low(M0 c0)
// and the key advances by the Weyl constants (golden ratio, sqrt 3 - 1). Where sixteen counters differ in their first
// word alone, one product of each of the first two rounds is the same for all.
template <class W>
STREAMDL_HD constexpr void philox(W counter0, uint32_t counter1, uint32_t counter2, uint32_t counter3, uint32_t key0,
                                  uint32_t key1, W (&words)[4]) {
  constexpr uint32_t kFactor0 = 0xd2511f53u, kFactor1 = 0xcd9e8d57u, kWeyl0 = 0x9e3779b9u, kWeyl1 = 0xbb67ae85u;
  W high0{}, high1{};
  uint32_t high{}, above{};
  const uint32_t low = multiply(counter2, kFactor1, high);
  const uint32_t below = multiply(high ^ counter1 ^ key0, kFactor0, above);
  const W first = multiply(counter0, kFactor0, high0);
  W c1 = multiply(high0 ^ W(counter3 ^ key1), kFactor1, high1);
  W c0 = high1 ^ W(low ^ (key0 + kWeyl0));
  W c2 = first ^ W(above ^ (key1 + kWeyl1));
  W c3 = W(below);
  for (uint32_t round = 2; round < 10; ++round) {
    const W low0 = multiply(c0, kFactor0, high0);
    const W low1 = multiply(c2, kFactor1, high1);
    c0 = high1 ^ c1 ^ W(key0 + round * kWeyl0);
    c2 = high0 ^ c3 ^ W(key1 + round * kWeyl1);
    c1 = low1;
    c3 = low0;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

// Two words as a double in [0, 1): a multiple of 2^-53.
STREAMDL_HD constexpr double uniform(uint32_t high, uint32_t low) {
  return (double)(((uint64_t)high << 32 | low) >> 11) * 0x1p-53;
}

STREAMDL_END
