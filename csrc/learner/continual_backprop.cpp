// Continual Backprop: utilities of units, and which of them are born again.
#include <algorithm>
#include <cmath>
#include <limits>

#include "learner/learner.h"
#include "math/elementary.h"

namespace streamdl {
namespace {

using Table = base::ContinualBackprop;

// Whether it is measured from the mean of the activation.
bool is_centred(Utility kind) {
  return kind == Utility::zero_contribution || kind == Utility::adaptable_contribution ||
         kind == Utility::feature_by_input;
}

}  // namespace

template <class T>
void LearnerOf<T>::rebuild_incoming(int hidden) {
  const Dense& d = plan_->dense[hidden];
  T* sum = block_->at<T>(plan_->hidden[hidden].incoming_sum);
  std::fill(sum, sum + d.outputs, T(0));
  for (int j = 0; j < d.inputs; ++j)
    for (int k = 0; k < d.outputs; ++k) sum[k] += std::abs(*weight(d, j, k));
  std::copy(sum, sum + d.outputs, block_->at<T>(plan_->hidden[hidden].incoming_peak));
}

// Of one unit.
template <class T>
void LearnerOf<T>::rebuild_incoming(int hidden, int unit) {
  const Dense& d = plan_->dense[hidden];
  const UnitState& u = plan_->hidden[hidden];
  T sum(0);
  for (int j = 0; j < d.inputs; ++j) sum += std::abs(*weight(d, j, unit));
  block_->at<T>(u.incoming_sum)[unit] = block_->at<T>(u.incoming_peak)[unit] = sum;
}

// Sums that are kept from step to step gather rounding errors of what they were: those that have fallen far are added
// up anew at once, all of them now and then.
template <class T>
void LearnerOf<T>::refine_incoming(int hidden) {
  constexpr T kFar = T(1) / 1024;
  if (updates() % 1024 == 0) return rebuild_incoming(hidden);
  const UnitState& u = plan_->hidden[hidden];
  const T* sum = block_->at<T>(u.incoming_sum);
  T* peak = block_->at<T>(u.incoming_peak);
  const int units = plan_->dense[hidden].outputs;
  int fallen = 0;
  for (int k = 0; k < units; ++k) {
    peak[k] = std::max(peak[k], sum[k]);
    fallen += sum[k] < kFar * peak[k];
  }
  for (int k = 0; fallen > 0 && k < units; ++k)
    if (sum[k] < kFar * peak[k]) rebuild_incoming(hidden, k);
}

template <class T>
void LearnerOf<T>::ensure_sums(int b) {
  if (!scratch_[b].sums_stale) return;
  scratch_[b].sums_stale = false;
  const Dense& d = plan_->dense[b];
  T* sum = scratch_[b].outgoing_sum;
  for (int j = 0; !d.by_output && j < d.inputs; ++j) sum[j] = kernels_.absolute_sum(vector(d, j), d.columns);
  for (int j = 0; d.by_output && j < d.inputs; ++j) {
    sum[j] = T(0);
    for (int k = 0; k < d.outputs; ++k) sum[j] += std::abs(*weight(d, j, k));
  }
}

// What does not change from step to step.
template <class T>
void LearnerOf<T>::prepare_plasticity() {
  const MethodInfo* method = plan_->method(Method::ContinualBackprop);
  if (!method) return;
  const double* h = hyper() + method->hyper;
  grown_up_ = (uint64_t)std::min(h[Table::maturity], 1e18) + 1;
  // From this age on 1 - decay^age rounds to 1.
  const double decay = h[Table::decay];
  settled_ = decay < 1 ? (uint64_t)std::min(std::ceil(38 / -std::log(decay)), 1e18) : ~(uint64_t)0;
  for (size_t i = 0; i < plan_->hidden.size(); ++i) {
    const UnitState& u = plan_->hidden[i];
    Scratch& s = scratch_[i + 1];
    s.eligible_until = 0;
    s.worth = {plan_->dense[i].outputs,
               (T)decay,
               block_->at<T>(u.utility),
               is_centred(plan_->utility()) ? block_->at<T>(u.mean_activation) : nullptr,
               s.decay_correction,
               nullptr,
               nullptr,
               s.outgoing_sum,
               block_->at<T>(u.incoming_sum),
               (T)(1.0 / plan_->dense[i + 1].outputs),
               (T)(1.0 / plan_->dense[i].inputs)};
  }
}

// Dohare et al., 2024, as conformance/README.md of the tests states it.
template <class T>
void LearnerOf<T>::continual_backprop(const MethodInfo& method) {
  const double* h = hyper() + method.hyper;
  const bool transfers = method.options[Table::transfer_bias];
  const uint64_t now = *block_->at<uint64_t>(plan_->updates);
  for (size_t i = 0; i < plan_->hidden.size(); ++i) {
    track_utilities((int)i, h[Table::decay], transfers);
    choose_least((int)i, h);
  }
  for (size_t i = 0; transfers && i < plan_->hidden.size(); ++i)
    for (int unit : chosen_[i + 1]) transfer((int)i, unit, h[Table::decay]);
  for (size_t i = 0; i < plan_->hidden.size(); ++i)
    for (int unit : chosen_[i + 1]) {
      Scratch& s = scratch_[i + 1];
      const uint64_t until = s.eligible_until;
      renew((int)i, unit);
      --s.eligible;
      s.eligible_until = std::min(until, now + grown_up_);
    }
}

template <class T>
void LearnerOf<T>::track_utilities(int hidden, double decay, bool transfers) {
  const UnitState& u = plan_->hidden[hidden];
  Scratch& s = scratch_[hidden + 1];
  const Utility kind = plan_->utility();
  const bool centred = is_centred(kind);
  if (kind != Utility::adaptation && kind != Utility::feature_by_input) ensure_sums(hidden + 1);
  if (plan_->incoming_sums) refine_incoming(hidden);
  s.worth.activation = minibatch_ ? s.mean : value(hidden + 1);
  s.worth.magnitude = minibatch_ ? s.magnitude : nullptr;
  if (centred) {
    double* powers = block_->at<double>(u.decay_power);
    for (int k = 0; k < s.worth.units; ++k) {
      powers[k] *= decay;
      s.decay_correction[k] = (T)(1 / (1 - powers[k]));
    }
  } else if (transfers) {  // the formula does not need f, the transfer does
    T* f = block_->at<T>(u.mean_activation);
    for (int k = 0; k < s.worth.units; ++k) f[k] = (T)(decay * f[k] + (1 - decay) * s.worth.activation[k]);
  }
  kernels_.utility[(int)kind](s.worth);
}

// The mature units of least utility, as many as the counter says.
template <class T>
void LearnerOf<T>::choose_least(int hidden, const double* h) {
  const UnitState& u = plan_->hidden[hidden];
  Scratch& s = scratch_[hidden + 1];
  const int units = s.worth.units;
  const uint64_t now = *block_->at<uint64_t>(plan_->updates);
  const uint64_t* birth = block_->at<uint64_t>(u.birth);
  if (now >= s.eligible_until) {  // a unit matures on this update
    s.eligible = 0;
    s.eligible_until = ~(uint64_t)0;
    for (int k = 0; k < units; ++k) {
      const bool mature = now - birth[k] >= grown_up_;
      s.eligible += mature;
      s.eligible_until = std::min(s.eligible_until, mature ? ~(uint64_t)0 : birth[k] + grown_up_);
    }
  }
  std::vector<int>& chosen = chosen_[hidden + 1];
  chosen.clear();
  double& counter = *block_->at<double>(u.counter);
  counter += h[Table::replacement_rate] * s.eligible;
  if (!(counter >= 1)) return;
  double due = std::floor(counter);
  if (h[Table::max_per_step] > 0) due = std::min(due, h[Table::max_per_step]);
  const int n = (int)std::min<double>(due, s.eligible);
  counter -= n;
  const T* raw = block_->at<T>(u.utility);
  for (int r = 0; r < n; ++r) {
    int least = -1;
    double least_utility = 0;
    for (int k = 0; k < units; ++k) {
      if (least >= 0 && (double)raw[k] >= least_utility) continue;  // the correction only raises it
      const uint64_t age = now - birth[k];
      if (age < grown_up_ || std::find(chosen.begin(), chosen.end(), k) != chosen.end()) continue;
      const double utility =
          age < settled_ ? (double)raw[k] / (1 - base::power(h[Table::decay], (double)age)) : (double)raw[k];
      if (least < 0 || utility < least_utility) least = k, least_utility = utility;
    }
    chosen.push_back(least);
  }
}

// Hands the unit's mean output f/c, through its outgoing weights, to the next layer's bias.
template <class T>
void LearnerOf<T>::transfer(int hidden, int unit, double decay) {
  const Dense& above = plan_->dense[hidden + 1];
  if (!above.has_bias) return;
  wake_layer(hidden + 1, updates());
  const UnitState& u = plan_->hidden[hidden];
  const uint64_t age = *block_->at<uint64_t>(plan_->updates) - block_->at<uint64_t>(u.birth)[unit];
  const double mean = block_->at<T>(u.mean_activation)[unit] / (1 - base::power(decay, (double)age));
  for (int k = 0; k < above.outputs; ++k) {
    T& b = bias(above)[k];
    b += (T)(mean * *weight(above, unit, k));
    widen_bounds(hidden + 1, b);
  }
}

template <class T>
std::vector<double> LearnerOf<T>::utilities(int hidden) const {
  std::vector<double> utilities;
  const double decay = hyper()[plan_->method(Method::ContinualBackprop)->hyper + Table::decay];
  const std::vector<uint64_t> age = ages(hidden);
  const T* raw = block_->at<T>(plan_->hidden[hidden].utility);
  for (size_t k = 0; k < age.size(); ++k)
    utilities.push_back(age[k] ? raw[k] / (1 - base::power(decay, (double)age[k])) : 0.0);
  return utilities;
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
