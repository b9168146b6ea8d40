// ReDo and self-normalised resets: units that have been silent for too long are born again.
#include <algorithm>
#include <cmath>
#include <cstring>

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

// Farias and Jozefiak, 2025.
template <class T>
void LearnerOf<T>::self_normalized_reset(const MethodInfo&) {
  const uint64_t now = steps();
  visit_activations([&](int hidden, const T* activation, int examples) {
    const int units = plan_->dense[hidden].outputs;
    Silences& silences = silences_[hidden];
    T* const h = value(hidden + 1);  // has padding
    for (int e = 0; e < examples; ++e) {
      if (minibatch_) std::memcpy(h, activation + (size_t)e * units, sizeof(T) * (size_t)units);
      kernels_.mark_active(h, units, 1, silences.marks(), nullptr);
      silences.observe(now - (uint64_t)(examples - 1 - e));
    }
    silences.take_due(chosen_[hidden + 1]);
  });
  renew_chosen();
}

template <class T>
void LearnerOf<T>::renew_chosen() {
  for (size_t i = 0; i < plan_->hidden.size(); ++i)
    for (int unit : chosen_[i + 1]) renew((int)i, unit);
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
