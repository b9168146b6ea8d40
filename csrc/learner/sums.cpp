// Rules that add up over weights before they can go on, and what weights share.
//
// Each row puts down what it contributes; one thread adds the rows in order, in double precision, so that no number
// of threads changes a bit.
#include <algorithm>
#include <cmath>
#include <limits>

#include "learner/learner.h"

namespace streamdl {

template <class T>
double* LearnerOf<T>::shared_of(int array) const {
  const bool of_arrays = plan_->rule.sums.count && plan_->rule.sums.scope == base::Scope::array;
  return block_->at<double>(plan_->shared) + (of_arrays ? array * plan_->rule.shared_count : 0);
}

template <class T>
void LearnerOf<T>::start_noise(uint32_t* noise, uint32_t place, uint64_t update) const {
  const auto seed = key();
  const uint32_t start[] = {0,       (uint32_t)update, (uint32_t)(update >> 32), (uint32_t)kNoise << 24 | place,
                            seed[0], seed[1]};
  std::copy(std::begin(start), std::end(start), noise);
}

// What comes before the first weight of an update is read.
template <class T>
void LearnerOf<T>::begin_update() {
  const RuleInfo& rule = plan_->rule;
  const auto begin = kernels_.rules[rule.index].begin;
  const double t = (double)*block_->at<uint64_t>(plan_->updates) + 1;
  const bool of_arrays = rule.sums.count && rule.sums.scope == base::Scope::array;
  for (size_t a = 0; begin && a < (of_arrays ? sums_.size() : 1); ++a) begin(shared_of((int)a), hyper(), t);
  const double none = rule.sums.largest ? -std::numeric_limits<double>::max() : 0;
  for (auto& sums : sums_) sums.fill(none);
  for (size_t l = 0; rule.uses_noise && l < calls_.size(); ++l) start_noise(calls_[l].noise, (uint32_t)l);
  if (!rule.descends_output || minibatch_) return;
  T* delta = scratch_.back().delta;
  error_ = -delta[0];
  delta[0] = T(-1);
  for (Call& c : calls_) c.update.error = error_;
}

template <class T>
StoredUpdateArgs<T> LearnerOf<T>::stored(int array) const {
  StoredUpdateArgs<T> a{};
  a.hyper = hyper();
  a.options = plan_->options.data();
  a.shared = shared_of(array);
  a.error = error_;
  a.clip = std::numeric_limits<T>::infinity();
  a.unit_factor = factors_[array];
  return a;
}

template <class T>
void LearnerOf<T>::add_sums(int array, const T* sums) {
  for (int k = 0; k < plan_->rule.sums.count; ++k) {
    double& sum = sums_[array][k];
    sum = plan_->rule.sums.largest ? std::max(sum, (double)sums[k]) : sum + (double)sums[k];
  }
}

// Measures or updates one vector of parameters whose gradient lies in memory.
template <class T>
void LearnerOf<T>::step_stored(StoredUpdateArgs<T>& a, int array) {
  const auto& rule = kernels_.rules[plan_->rule.index];
  const base::Sums& sums = plan_->rule.sums;
  (measuring_ ? rule.measure_stored : rule.update_stored[decays()])(a);
  cancelled_ += a.cancelled;
  if (sums.count && measuring_ == sums.before) add_sums(array, a.sums);
  if (measuring_ && sums.biases_apart) conclude_biases_apart(array);
}

// Of layer l: the rows that were visited, in order, then its bias.
template <class T>
void LearnerOf<T>::add_rows(int l, const int32_t* rows, int count) {
  const UpdateArgs<T>& a = calls_[l].update;
  const Dense& d = plan_->dense[l];
  if (keeps_row_sums(l)) {
    sums_[d.array][0] += sum_of_rows(l, rows, count);
    count = 0;
  }
  for (int i = 0; i < count; ++i) {
    T sums[kMaxSums];
    for (int k = 0; k < plan_->rule.sums.count; ++k) sums[k] = a.row_sums[k][rows[i]];
    add_sums(d.array, sums);
  }
  if (d.has_bias) add_sums(d.array + 1, a.bias_sums);
}

template <class T>
void LearnerOf<T>::measure_dense(int l) {
  const auto& rule = kernels_.rules[plan_->rule.index];
  const Dense& d = plan_->dense[l];
  Scratch& out = scratch_[l + 1];
  UpdateArgs<T>& a = calls_[l].update;
  if (sums_units()) std::fill(out.unit_sums, out.unit_sums + plan_->boundaries[l + 1].padded, T(0));
  a.cancelled = 0;
  const auto run = d.by_output ? rule.measure_by_output : d.edges ? rule.measure_edges : rule.measure;
  if (pool_ && !sums_units()) share_update(calls_[l], run, a);  // a unit's sum goes over all rows
  else run(a);
  cancelled_ += a.cancelled;
  if (calls_[l].fades) fade(l);
  if (!sums_units()) {
    const bool all = calls_[l].fades;
    return add_rows(l, all ? scratch_[l].all : a.rows, all ? scratch_[l].units : a.row_count);
  }
  calls_[l].moves_silent = rule.conclude_units(out.unit_sums, out.unit_factors, d.outputs, shared_of(d.array)) &&
                           plan_->rule.unit_moves_silent;
  if (!plan_->rule.sums.biases_apart || !d.has_bias) return;
  add_sums(d.array + 1, a.bias_sums);
  conclude_biases_apart(d.array + 1);
  a.bias_factor = factors_[d.array + 1];
}

// The factor of an array whose elements count together.
template <class T>
void LearnerOf<T>::conclude_biases_apart(int array) {
  alignas(kAlignment) T sum[kLanes<T>] = {(T)sums_[array][0]}, factor[kLanes<T>];
  kernels_.rules[plan_->rule.index].conclude_units(sum, factor, 1, shared_of(array));
  factors_[array] = factor[0];
}

// Hands the sums to the rule. False where one is not finite, or would make what is shared so: then nothing changes,
// and it counts as a cancelled update.
template <class T>
bool LearnerOf<T>::conclude() {
  const RuleInfo& rule = plan_->rule;
  const auto conclude = kernels_.rules[rule.index].conclude;
  if (!conclude) return true;
  const bool of_arrays = rule.sums.scope == base::Scope::array;
  if (!of_arrays)
    for (size_t a = 1; a < sums_.size(); ++a)
      for (int k = 0; k < rule.sums.count; ++k)
        sums_[0][k] = rule.sums.largest ? std::max(sums_[0][k], sums_[a][k]) : sums_[0][k] + sums_[a][k];
  bool finite = true;
  for (size_t a = 0; a < (of_arrays ? sums_.size() : 1); ++a) {
    double* shared = shared_of((int)a);
    double before[base::kMaxShared];
    std::copy(shared, shared + rule.shared_count, before);
    const double t = (double)*block_->at<uint64_t>(plan_->updates) + 1;
    conclude({sums_[a].data(), shared, hyper(), plan_->options.data(), (double)error_, t});
    bool sound = true;
    for (int k = 0; k < rule.sums.count; ++k) sound &= std::isfinite(sums_[a][k]);
    for (int i = 0; i < rule.shared_count; ++i) sound &= std::abs(shared[i]) <= std::numeric_limits<T>::max();
    if (!sound) std::copy(before, before + rule.shared_count, shared);
    cancelled_ += !sound;
    finite &= sound;
  }
  return finite;
}

template <class T>
void LearnerOf<T>::learn_in_two_passes() {
  if (leaps_.possible && leaps_.sums_stale) rebuild_row_sums();
  measuring_ = true;
  for (int l = (int)calls_.size(); l-- > 0;) {
    back_to(l);
    measure_dense(l);
  }
  if (calls_[0].propagates) back_ops(0, diagonal(), true), step_ops(0);
  measuring_ = false;
  if (!conclude()) return;
  leaps_.applied = true;
  const bool rest = rows_fade();
  for (int l = (int)calls_.size(); l-- > 0;) {
    Call& c = calls_[l];
    if (rest && plan_->boundaries[l].skips) {
      c.update.rows = scratch_[l].active;
      c.update.row_count = scratch_[l].count;
    }
    if (c.moves_silent) {
      if (l == 0 && inputs_.gathered) leave_gathered();
      c.update.rows = scratch_[l].all;
      c.update.row_count = scratch_[l].units;
    }
    update_dense(l);
  }
  step_ops();
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
