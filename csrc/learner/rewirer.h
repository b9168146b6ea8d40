// Which edges of a source unit are dropped, and where others grow instead. Places are what an edge, or a block of edges,
// can lead to. It allocates when it is made.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "learner/plan.h"

namespace streamdl {

class Rewirer {
 public:
  explicit Rewirer(const Plan& plan);

  // The places that the edges of one unit hold: all others are free.
  void hold(const int32_t* targets, const Dense& d);
  // Chooses n free places, each time the one that a draw in [0, 1) points at.
  void grow_at_random(int n, const double* draws);
  // Orders all places by score, the highest first and equals as they lie, as far as units of this layer may ask.
  template <class Score>
  void rank(const Dense& d, const Score& score) {
    ranking_.clear();
    for (int k = 0; k < d.places(); ++k)
      if (const double s = score(k); s > 0) ranking_.push_back({-s, k});
    const size_t asked = std::min<size_t>(ranking_.size(), 2 * (size_t)d.blocks());
    std::partial_sort(ranking_.begin(), ranking_.begin() + (ptrdiff_t)asked, ranking_.end());
    ranking_.resize(asked);
  }
  // Chooses the n free places of highest score, or as many as have one above 0.
  void grow_ranked(int n);
  const std::vector<int>& grown() const { return grown_; }
  // As many blocks as were grown, those of least worth, and equals as they lie.
  template <class Worth>
  const std::vector<std::pair<double, int>>& drop(const Dense& d, const Worth& worth) {
    dropped_.clear();
    for (int b = 0; b < d.blocks(); ++b) dropped_.push_back({worth(b), b});
    std::partial_sort(dropped_.begin(), dropped_.begin() + (ptrdiff_t)grown_.size(), dropped_.end());
    dropped_.resize(grown_.size());
    return dropped_;
  }

 private:
  bool is_free(int place) const { return free_[place / 64] >> place % 64 & 1; }
  void take(int place) { free_[place / 64] &= ~((uint64_t)1 << place % 64); }
  int free_place(int rank) const;

  std::vector<uint64_t> free_;  // a bit per place
  int free_count_ = 0;
  std::vector<int> grown_;
  std::vector<std::pair<double, int>> ranking_, dropped_;  // minus the score, place; worth, block
};

}  // namespace streamdl
