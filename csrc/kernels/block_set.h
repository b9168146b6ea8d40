// A set of blocks of features, which knows its members in ascending order without a look at the others.
#pragma once

#include <cstdint>

namespace streamdl {

// A set of blocks: one bit for each, and one bit for each 64 of them.
struct BlockSet {
  uint64_t* words;
  uint64_t* summary;
  int blocks;
  static constexpr int words_of(int bits) { return (bits + 63) / 64; }

  void insert(int b) const {
    words[b >> 6] |= (uint64_t)1 << (b & 63);
    summary[b >> 12] |= (uint64_t)1 << (b >> 6 & 63);
  }
  bool has(int b) const { return words[b >> 6] >> (b & 63) & 1; }
  // Calls visit(i) for each word that is not 0.
  template <class Visit>
  void each_word(const Visit& visit) const {
    for (int s = 0; s < words_of(words_of(blocks)); ++s)
      for (uint64_t left = summary[s]; left; left &= left - 1) visit(s * 64 + __builtin_ctzll(left));
  }
  // Lists the blocks in ascending order; returns how many there are.
  int list(int32_t* out) const {
    int count = 0;
    each_word([&](int i) {
      for (uint64_t bits = words[i]; bits; bits &= bits - 1) out[count++] = i * 64 + __builtin_ctzll(bits);
    });
    return count;
  }
  void clear() const {
    each_word([&](int i) { words[i] = 0; });
    for (int s = 0; s < words_of(words_of(blocks)); ++s) summary[s] = 0;
  }
};

}  // namespace streamdl
