// What happens to units after the optimizer's step: Continual Backprop, Shrink & Perturb, resets.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "learner/learner.h"
#include "math/elementary.h"
#include "math/philox.h"

namespace streamdl {
namespace {

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

// Replacement rate, maturity, decay.
template <class T>
const double* LearnerOf<T>::continual_backprop_hyper() const {
  return hyper() + plan_->optimizer_hypers() + 2 * plan_->continual_backprop;
}

template <class T>
void LearnerOf<T>::plasticity() {
  const double* h = hyper() + plan_->optimizer_hypers();
  for (const PlasticitySpec& p : plan_->spec.plasticity) {
    if (p.kind == PlasticitySpec::Kind::continual_backprop) {
      continual_backprop(p, h);
      h += 3;
    } else {
      shrink_and_perturb(h);
      h += 2;
    }
  }
}

//---------------------------------------------------------------------------- Continual Backprop

// What does not change from step to step.
template <class T>
void LearnerOf<T>::prepare_plasticity() {
  if (plan_->continual_backprop < 0) return;
  const PlasticitySpec& spec = plan_->spec.plasticity[plan_->continual_backprop];
  const double* h = continual_backprop_hyper();
  grown_up_ = (uint64_t)std::min(h[1], 1e18) + 1;
  // From this age on 1 - decay^age rounds to 1.
  settled_ = h[2] < 1 ? (uint64_t)std::min(std::ceil(38 / -std::log(h[2])), 1e18) : ~(uint64_t)0;
  for (size_t i = 0; i < plan_->hidden.size(); ++i) {
    const UnitState& u = plan_->hidden[i];
    Scratch& s = scratch_[i + 1];
    s.eligible_until = 0;
    s.worth = {plan_->dense[i].outputs,
               (T)h[2],
               block_->at<T>(u.utility),
               is_centred(spec.utility) ? block_->at<T>(u.mean_activation) : nullptr,
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
void LearnerOf<T>::continual_backprop(const PlasticitySpec& spec, const double* h) {
  const uint64_t now = *block_->at<uint64_t>(plan_->updates);
  for (size_t i = 0; i < plan_->hidden.size(); ++i) {
    track_utilities((int)i, spec, h[2]);
    choose_least((int)i, spec, h);
  }
  if (spec.transfer_bias)
    for (size_t i = 0; i < plan_->hidden.size(); ++i)
      for (int unit : chosen_[i + 1]) transfer((int)i, unit, h[2]);
  for (size_t i = 0; i < plan_->hidden.size(); ++i)
    for (int unit : chosen_[i + 1]) {
      Scratch& s = scratch_[i + 1];
      renew((int)i, unit);
      --s.eligible;
      s.eligible_until = std::min(s.eligible_until, now + grown_up_);
    }
}

template <class T>
void LearnerOf<T>::track_utilities(int hidden, const PlasticitySpec& spec, double decay) {
  const UnitState& u = plan_->hidden[hidden];
  Scratch& s = scratch_[hidden + 1];
  const Utility kind = spec.utility;
  const bool centred = is_centred(kind);
  if (kind != Utility::adaptation && kind != Utility::feature_by_input) ensure_sums(hidden + 1);
  if (plan_->incoming_sums && *block_->at<uint64_t>(plan_->updates) % 1024 == 0)
    rebuild_incoming(hidden);  // rounding does not add up
  s.worth.activation = minibatch_ ? s.mean : value(hidden + 1);
  s.worth.magnitude = minibatch_ ? s.magnitude : nullptr;
  if (centred) {
    double* powers = block_->at<double>(u.decay_power);
    for (int k = 0; k < s.worth.units; ++k) {
      powers[k] *= decay;
      s.decay_correction[k] = (T)(1 / (1 - powers[k]));
    }
  } else if (spec.transfer_bias) {  // the formula does not need f, the transfer does
    T* f = block_->at<T>(u.mean_activation);
    for (int k = 0; k < s.worth.units; ++k) f[k] = (T)(decay * f[k] + (1 - decay) * s.worth.activation[k]);
  }
  kernels_.utility[(int)kind](s.worth);
}

// The mature units of least utility, as many as the counter says.
template <class T>
void LearnerOf<T>::choose_least(int hidden, const PlasticitySpec& spec, const double* h) {
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
  counter += h[0] * s.eligible;
  if (!(counter >= 1)) return;
  double due = std::floor(counter);
  if (spec.max_per_step > 0) due = std::min(due, spec.max_per_step);
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
      const double utility = age < settled_ ? (double)raw[k] / (1 - base::power(h[2], (double)age)) : (double)raw[k];
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
  const UnitState& u = plan_->hidden[hidden];
  const uint64_t age = *block_->at<uint64_t>(plan_->updates) - block_->at<uint64_t>(u.birth)[unit];
  const double mean = block_->at<T>(u.mean_activation)[unit] / (1 - base::power(decay, (double)age));
  for (int k = 0; k < above.outputs; ++k) {
    T& b = bias(above)[k];
    b += (T)(mean * *weight(above, unit, k));
    widen_bounds(hidden + 1, b);
  }
}

// Incoming weights drawn anew, outgoing weights zero, all their fields and the unit's state reset.
template <class T>
void LearnerOf<T>::renew(int hidden, int unit) {
  const Dense &below = plan_->dense[hidden], &above = plan_->dense[hidden + 1];
  const UnitState* u = plan_->hidden.empty() ? nullptr : &plan_->hidden[hidden];
  uint64_t count = *block_->at<uint64_t>(plan_->updates);
  if (u) count = ++*block_->at<uint64_t>(u->replacements);
  const double* drawn = draw_incoming(hidden, unit, kRegenerate, count);
  for (int j = 0; j < below.inputs; ++j) {
    if (j + 16 < below.inputs) __builtin_prefetch(weight(below, j + 16, unit), 1);  // a column: a miss per weight
    T* w = weight(below, j, unit);
    *w = (T)drawn[j];
    set_start(w, below.columns);
  }
  widen_bounds(hidden, (T)below.bound);
  bias(below)[unit] = T(0);
  set_start(bias(below) + unit, below.columns);
  if (plan_->incoming_sums && hidden + 1 < (int)plan_->hidden.size()) {
    T* sums = block_->at<T>(plan_->hidden[hidden + 1].incoming_sum);
    for (int k = 0; k < above.outputs; ++k) sums[k] -= std::abs(*weight(above, unit, k));
  }
  for (int k = 0; k < above.outputs; ++k) {
    T* w = weight(above, unit, k);
    *w = T(0);
    set_start(w, above.columns);
  }
  widen_bounds(hidden + 1, T(0));
  const Boundary& boundary = plan_->boundaries[hidden + 1];
  for (const UnitOp& op : boundary.ops)
    if (op.parameter >= 0) {
      block_->at<T>(op.gain)[unit] = T(1);
      block_->at<T>(op.shift)[unit] = T(0);
      set_start(block_->at<T>(op.gain) + unit, boundary.padded);
      set_start(block_->at<T>(op.shift) + unit, boundary.padded);
    }
  for (int c = 0; c < plan_->rule.clock_count; ++c) block_->at<double>(boundary.clock[c])[unit] = 1;
  // Contribution needs the sums of active rows alone, and those the pass itself brings up to date.
  const bool cached = plan_->continual_backprop >= 0 &&
                      plan_->spec.plasticity[plan_->continual_backprop].utility != Utility::contribution;
  if (cached) scratch_[hidden].sums_stale = scratch_[hidden + 1].sums_stale = true;
  if (!u) return;
  block_->at<T>(u->utility)[unit] = T(0);
  block_->at<T>(u->mean_activation)[unit] = T(0);
  if (plan_->incoming_sums) {
    T sum(0);
    for (int j = 0; j < below.inputs; ++j) sum += std::abs((T)drawn[j]);
    block_->at<T>(u->incoming_sum)[unit] = sum;
  }
  block_->at<uint64_t>(u->birth)[unit] = *block_->at<uint64_t>(plan_->updates);
  block_->at<double>(u->decay_power)[unit] = 1;
}

template <class T>
void LearnerOf<T>::regenerate(int hidden, int unit) {
  if (touched_) refresh();
  renew(hidden, unit);
  scratch_[hidden + 1].eligible_until = 0;
}

template <class T>
std::vector<uint64_t> LearnerOf<T>::ages(int hidden) const {
  std::vector<uint64_t> ages;
  const uint64_t now = *block_->at<uint64_t>(plan_->updates);
  const uint64_t* birth = block_->at<uint64_t>(plan_->hidden[hidden].birth);
  for (int k = 0; k < plan_->dense[hidden].outputs; ++k) ages.push_back(now - birth[k]);
  return ages;
}

template <class T>
std::vector<double> LearnerOf<T>::utilities(int hidden) const {
  std::vector<double> utilities;
  const double* h = continual_backprop_hyper();
  const std::vector<uint64_t> age = ages(hidden);
  const T* raw = block_->at<T>(plan_->hidden[hidden].utility);
  for (size_t k = 0; k < age.size(); ++k)
    utilities.push_back(age[k] ? raw[k] / (1 - base::power(h[2], (double)age[k])) : 0.0);
  return utilities;
}

//---------------------------------------------------------------------------- the others

template <class T>
void LearnerOf<T>::shrink_and_perturb(const double* h) {
  const uint64_t now = *block_->at<uint64_t>(plan_->updates);
  for (size_t l = 0; l < plan_->dense.size(); ++l) {
    const Dense& d = plan_->dense[l];
    T most(0);
    const int length = d.by_output ? d.inputs : d.outputs;
    for (int i = 0; i < d.vectors - !d.has_bias; ++i) {
      // a vector takes ceil(length / 4) counters; vectors follow each other
      const uint64_t index = (uint64_t)i * (((uint64_t)length + 63) / 64 * 16);
      const uint32_t counter[4] = {(uint32_t)index, (uint32_t)now, (uint32_t)(now >> 32),
                                   (uint32_t)kPerturb << 24 | (uint32_t)l};
      const int n = i + 1 < d.vectors ? length : d.outputs;
      most = std::max(most, kernels_.perturb(vector(d, i), n, h[0], h[1], counter, key().data()));
    }
    allowed_ = 0;
    bounds_[l].most[0] = plan_->rule.field_count ? std::min<double>(2.0 * most, std::numeric_limits<T>::max()) : most;
    scratch_[l].sums_stale = true;
    if (l < plan_->hidden.size() && plan_->incoming_sums) rebuild_incoming((int)l);
  }
  for (size_t b = 0; b < plan_->boundaries.size(); ++b)
    for (size_t i = 0; i < plan_->boundaries[b].ops.size(); ++i) {
      const UnitOp& op = plan_->boundaries[b].ops[i];
      if (op.parameter < 0) continue;
      for (uint32_t which = 0; which < 2; ++which) {
        const uint32_t counter[4] = {0, (uint32_t)now, (uint32_t)(now >> 32),
                                     (uint32_t)kPerturb << 24 | (uint32_t)(op.parameter * 2 + which + 1) << 12};
        kernels_.perturb(block_->at<T>(which ? op.shift : op.gain), plan_->boundaries[b].units, h[0], h[1], counter,
                         key().data());
      }
    }
}

template <class T>
void LearnerOf<T>::reset_outputs(const std::vector<int>& units, bool fresh) {
  if (touched_) refresh();
  const int l = (int)plan_->dense.size() - 1;
  const Dense& d = plan_->dense[l];
  const uint64_t now = *block_->at<uint64_t>(plan_->updates);
  for (int k : units) {
    const double* drawn = draw_incoming(l, k, kReset, now);
    for (int j = 0; j < d.inputs; ++j) {
      T* w = weight(d, j, k);
      *w = fresh ? (T)drawn[j] : T(0);
      set_start(w, d.columns);
      widen_bounds(l, *w);
    }
    bias(d)[k] = T(0);
    set_start(bias(d) + k, d.columns);
    for (int c = 0; c < plan_->rule.clock_count; ++c) block_->at<double>(plan_->boundaries[l + 1].clock[c])[k] = 1;
  }
  scratch_[l].sums_stale = true;
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
