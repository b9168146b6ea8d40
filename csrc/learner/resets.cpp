// ReDo and self-normalised resets: units that have been silent for too long are born again.
#include <algorithm>
#include <cmath>

#include "learner/learner.h"

namespace streamdl {

// Calls visit(hidden layer, activations, examples): those of this example, or of a whole minibatch, one after the other.
template <class T>
template <class Visit>
void LearnerOf<T>::visit_activations(const Visit& visit) {
  for (size_t i = 0; i < plan_->hidden.size(); ++i) {
    if (minibatch_) visit((int)i, minibatch_activations_[i].data(), minibatch_);
    else visit((int)i, value((int)i + 1), 1);
  }
}

// Sokar et al., 2023. All incoming weights are drawn before outgoing ones are zeroed: what lies between two of the
// units ends at 0.
template <class T>
void LearnerOf<T>::redo(const MethodInfo& method) {
  using Table = base::ReDo;
  const double* h = hyper() + method.hyper;
  visit_activations([&](int hidden, const T* activation, int examples) {
    const int units = plan_->dense[hidden].outputs;
    T* magnitude = block_->at<T>(plan_->hidden[hidden].magnitude);
    for (int e = 0; e < examples; ++e)
      for (int k = 0; k < units; ++k) magnitude[k] += std::abs(activation[(size_t)e * units + k]);
  });
  uint64_t& examples = *block_->at<uint64_t>(plan_->examples);
  examples += minibatch_ ? minibatch_ : 1;
  if ((double)examples < h[Table::period]) return;
  for (size_t i = 0; i < plan_->hidden.size(); ++i) {
    const int units = plan_->dense[i].outputs;
    T* magnitude = block_->at<T>(plan_->hidden[i].magnitude);
    double mean = 0;
    for (int k = 0; k < units; ++k) mean += magnitude[k] / (double)examples / units;
    chosen_[i + 1].clear();
    for (int k = 0; k < units; ++k) {
      if (magnitude[k] / (double)examples / (mean + 1e-9) <= h[Table::threshold]) chosen_[i + 1].push_back(k);
      magnitude[k] = T(0);
    }
  }
  examples = 0;
  renew_chosen();
  for (size_t i = 0; i < plan_->hidden.size(); ++i)
    for (int unit : chosen_[i + 1]) silence((int)i, unit);
}

// Farias and Jozefiak, 2025. Of each unit: `silence`, the examples since it fired; a histogram of past silences; how
// many they are; and how many were `longer`, those in the bin of the present one included. That number is brought up
// to date whenever the present silence enters a bin, so that a step costs one look.
template <class T>
void LearnerOf<T>::self_normalized_reset(const MethodInfo& method) {
  using Table = base::SelfNormalizedReset;
  const double* h = hyper() + method.hyper;
  visit_activations([&](int hidden, const T* activation, int examples) {
    const UnitState& u = plan_->hidden[hidden];
    const int units = plan_->dense[hidden].outputs;
    uint64_t *silence = block_->at<uint64_t>(u.silence), *longer = block_->at<uint64_t>(u.longer),
             *past = block_->at<uint64_t>(u.past);
    std::vector<int>& chosen = chosen_[hidden + 1];
    chosen.clear();
    uint64_t* const histograms = block_->at<uint64_t>(u.histogram);
    constexpr int kAhead = 16;
    for (int k = 0; k < units; ++k) {
      // Every unit has a line of its own histogram looked at: a miss each.
      if (const int next = k + kAhead; next < units)
        __builtin_prefetch(histograms + (size_t)next * Table::kBins + Table::bin_of(silence[next]), 1);
      uint64_t* histogram = histograms + (size_t)k * Table::kBins;
      bool due = false;
      for (int e = 0; e < examples; ++e) {
        if (activation[(size_t)e * units + k] > T(0)) {
          ++histogram[Table::bin_of(silence[k])];
          longer[k] = ++past[k];
          silence[k] = 0;
          continue;
        }
        const int bin = Table::bin_of(silence[k]);
        if (Table::bin_of(++silence[k]) != bin) longer[k] -= std::min(longer[k], histogram[bin]);
        due |= (double)past[k] >= h[Table::minimum] && (double)longer[k] / (double)past[k] <= h[Table::threshold];
      }
      if (due) chosen.push_back(k);
    }
  });
  renew_chosen();
}

template <class T>
void LearnerOf<T>::forget_silences(int hidden, int unit) {
  const UnitState& u = plan_->hidden[hidden];
  for (size_t at : {u.silence, u.longer, u.past}) block_->at<uint64_t>(at)[unit] = 0;
  constexpr int bins = base::SelfNormalizedReset::kBins;
  uint64_t* histogram = block_->at<uint64_t>(u.histogram) + (size_t)unit * bins;
  std::fill(histogram, histogram + bins, 0);
}

template <class T>
void LearnerOf<T>::renew_chosen() {
  for (size_t i = 0; i < plan_->hidden.size(); ++i)
    for (int unit : chosen_[i + 1]) renew((int)i, unit);
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
