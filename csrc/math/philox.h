// Philox4x32-10: random words as a function of a counter and a key (Salmon, Moraes, Dror and Shaw,
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//
// There is no generator state: the key is the seed, the counter says which draw it is, and the
// words are the same whatever the instruction set, the thread or the order. One template serves a
// single counter (W = uint32_t, also in a constant expression) and sixteen at once (W = Words).
#pragma once

#include "math/number.h"

STREAMDL_BEGIN

// Keeps an argument out of template deduction, so that a plain word is accepted where W is Words.
template <class W>
struct WordOf {
  using type = W;
};

// Ten rounds. With the halves of the two products M0 c0 and M1 c2, a round is
//   c0' = high(M1 c2) ^ c1 ^ k0    c1' = low(M1 c2)
//   c2' = high(M0 c0) ^ c3 ^ k1    c3' = low(M0 c0)
// and the key advances by the Weyl constants (golden ratio, sqrt 3 - 1).
template <class W>
STREAMDL_HD constexpr void philox(W counter0, typename WordOf<W>::type counter1, typename WordOf<W>::type counter2,
                                  typename WordOf<W>::type counter3, uint32_t key0, uint32_t key1, W (&words)[4]) {
  for (int round = 0; round < 10; ++round) {
    W high0{}, high1{};
    const W low0 = multiply(counter0, 0xd2511f53u, high0);
    const W low1 = multiply(counter2, 0xcd9e8d57u, high1);
    counter0 = high1 ^ counter1 ^ W(key0);
    counter2 = high0 ^ counter3 ^ W(key1);
    counter1 = low1;
    counter3 = low0;
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
  words[0] = counter0;
  words[1] = counter1;
  words[2] = counter2;
  words[3] = counter3;
}

// Two words as a double in [0, 1): a multiple of 2^-53.
STREAMDL_HD constexpr double uniform(uint32_t high, uint32_t low) {
  return (double)(((uint64_t)high << 32 | low) >> 11) * 0x1p-53;
}

STREAMDL_END
