#include "learner/rewirer.h"

namespace streamdl {

Rewirer::Rewirer(const Plan& plan) {
  int most = 0;
  for (const Dense& d : plan.dense)
    if (d.edges) most = std::max(most, d.places());
  free_.reserve((size_t)most / 64 + 1);
  grown_.reserve((size_t)most);
  ranking_.reserve((size_t)most);
  dropped_.reserve((size_t)most);
}

void Rewirer::hold(const int32_t* targets, const Dense& d) {
  const int places = d.places();
  free_.assign((size_t)places / 64 + 1, ~(uint64_t)0);
  free_.back() = ((uint64_t)1 << places % 64) - 1;
  for (int b = 0; b < d.blocks(); ++b) take(targets[b] / d.block);
  free_count_ = places - d.blocks();
  grown_.clear();
}

// The free place that has `rank` others before it.
int Rewirer::free_place(int rank) const {
  size_t word = 0;
  for (int count; rank >= (count = __builtin_popcountll(free_[word])); ++word) rank -= count;
  uint64_t bits = free_[word];
  for (; rank > 0; --rank) bits &= bits - 1;
  return (int)word * 64 + __builtin_ctzll(bits);
}

void Rewirer::grow_at_random(int n, const double* draws) {
  for (int i = 0; i < n; ++i) {
    grown_.push_back(free_place((int)(draws[i] * free_count_)));
    take(grown_.back());
    --free_count_;
  }
}

void Rewirer::grow_ranked(int n) {
  for (size_t i = 0; i < ranking_.size() && (int)grown_.size() < n; ++i)
    if (is_free(ranking_[i].second)) grown_.push_back(ranking_[i].second);
}

}  // namespace streamdl
