// Check first, then write: whether an example's deltas and updates can overflow, from bounds of what there is.
#include <algorithm>
#include <cmath>
#include <limits>

#include "learner/learner.h"

namespace streamdl {

template <class T>
void LearnerOf<T>::measure_bounds() {
  for (size_t l = 0; l < plan_->dense.size(); ++l) measure_bounds((int)l);
}

// Twice the largest |w| where a rule has fields, so that growing weights stay below it for a while.
template <class T>
void LearnerOf<T>::measure_bounds(int l) {
  const Dense& d = plan_->dense[l];
  Bounds& b = bounds_[l];
  for (size_t f = 0; f < b.most.size(); ++f) {
    T most(0);
    for (int j = 0; j <= d.inputs; ++j) most = std::max(most, kernels_.largest(row(d, j) + f * d.columns, d.columns));
    b.most[f] = most;
  }
  if (plan_->field_count) b.most[0] = std::min<double>(2 * b.most[0], std::numeric_limits<T>::max());
  b.measured = steps();
}

// Such a weight of layer l was written, with its fields at their start.
template <class T>
void LearnerOf<T>::widen_bounds(int l, T weight) {
  std::vector<double>& most = bounds_[l].most;
  most[0] = std::max(most[0], (double)std::abs(weight));
  for (int f = 0; f < plan_->field_count; ++f) most[f + 1] = std::max(most[f + 1], (double)start_value(f));
}

// Whether this example's update of layer l is known beforehand to stay within bounds, which then include it.
// They grow by what an update could do at most; now and then that calls for a new measurement. After a no the
// update looks at every value, and how the fields grow is not followed.
template <class T>
bool LearnerOf<T>::within_bounds(int l) {
  Bounds& b = bounds_[l];
  const bool known = calls_[l].run_bounded && extend_bounds(l);
  if (!known) std::fill(b.most.begin() + 1, b.most.end(), std::numeric_limits<double>::infinity());
  return known;
}

template <class T>
bool LearnerOf<T>::extend_bounds(int l) {
  const int padded = plan_->boundaries[l + 1].padded;
  const T* sensitivity = calls_[l].update.sensitivity;
  Bounds& b = bounds_[l];
  const auto bound = kernels_.rules[plan_->rule].bound;
  const double x = std::max(1.0, (double)input_sizes_[l]);
  const double gradient = x * kernels_.largest(scratch_[l + 1].delta, padded);
  if (plan_->uses_sensitivity &&
      !(kernels_.all_finite(sensitivity, padded) &&
        x * x * std::max(1.0, (double)kernels_.largest(sensitivity, padded)) < base::kSmall))
    return false;
  if (bound(b.most.data(), gradient, hyper())) return true;
  constexpr uint64_t kRest = 64;  // updates between two measurements, each of which costs about half of one
  if (steps() < b.measured + kRest) return false;
  measure_bounds(l);
  return bound(b.most.data(), gradient, hyper());
}

// Whether no delta and no update of this example can overflow, from max |w| and max |x| of every layer.
template <class T>
bool LearnerOf<T>::bounded(T largest_delta) {
  const double limit = sizeof(T) == 4 ? 1e30 : 1e290;
  const double step_size = hyper()[0], decay = 1 + step_size * (hyper()[plan_->rule_hypers] + hyper()[plan_->rule_hypers + 1]);
  double delta = largest_delta;
  for (int b = (int)plan_->dense.size(); b > 0; --b) {
    for (size_t i = plan_->boundaries[b].ops.size(); i-- > 0;) {
      const UnitOp& op = plan_->boundaries[b].ops[i];
      if (op.spec.kind == LayerSpec::Kind::dropout) delta /= 1 - op.spec.rate;
      if (op.spec.kind == LayerSpec::Kind::activation) delta *= 1.2;
      if (op.spec.kind == LayerSpec::Kind::layer_norm) {
        if (op.parameter >= 0)
          delta *= 1 + (double)kernels_.largest(block_->at<T>(op.gain), plan_->boundaries[b].padded);
        delta *= (double)scratch_[b].inverse_deviation[i] * (2 + plan_->boundaries[b].units);
      }
    }
    const Dense& d = plan_->dense[b - 1];
    const double gradient = delta * std::max(1.0, (double)input_sizes_[b - 1]);
    double& most = bounds_[b - 1].most[0];
    const double weight = most * decay + (plan_->field_count ? 0 : step_size * gradient);
    if (!(weight < limit && gradient < limit)) return false;
    if (!plan_->field_count) most = weight;
    delta *= most * d.outputs;
    if (!(delta < limit)) return false;
  }
  return true;
}

// The slow path: all deltas are computed, nothing is written, and every update is checked.
template <class T>
bool LearnerOf<T>::probe() {
  for (int b = (int)plan_->dense.size(); b > 0; --b) {
    back_ops(b, false, false);
    const double delta = kernels_.largest(scratch_[b].delta, plan_->boundaries[b].padded);
    if (!kernels_.all_finite(scratch_[b].delta, plan_->boundaries[b].padded)) return false;
    const double gradient = delta * std::max(1.0, (double)input_sizes_[b - 1]);
    const double most = std::numeric_limits<T>::max() / 4;
    const double decay = hyper()[0] * (hyper()[plan_->rule_hypers] + hyper()[plan_->rule_hypers + 1]);
    if (!(gradient < most) || !(hyper()[0] * gradient + (1 + decay) * bounds_[b - 1].most[0] < most)) return false;
    if (b > 1) read_back(b, false);
  }
  return true;
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
