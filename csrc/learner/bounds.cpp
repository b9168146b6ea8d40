// Check first, then write: whether an example's deltas and updates can overflow, from bounds of what there is.
#include <algorithm>
#include <cmath>
#include <limits>

#include "learner/learner.h"

namespace streamdl {
namespace {

constexpr uint64_t kRest = 64;  // updates between two measurements, each of which costs about half of one

}  // namespace

template <class T>
void LearnerOf<T>::measure_bounds() {
  for (size_t l = 0; l < plan_->dense.size(); ++l) measure_bounds((int)l);
}

// Twice the largest |w| where a rule has fields, so that growing weights stay below it for a while.
template <class T>
void LearnerOf<T>::measure_bounds(int l) {
  const Dense& d = plan_->dense[l];
  Bounds& b = bounds_[l];
  allowed_ = 0;
  wake_layer(l, updates());
  for (size_t f = 0; f < b.most.size(); ++f) {
    T most(0);
    for (int i = 0; i < d.vectors; ++i) {
      const T* values = vector(d, i) + f * d.columns_of(i);
      most = std::max(most, kernels_.largest(values, d.columns_of(i)));
      if (f && plan_->rule.fields[f - 1].has_root && kernels_.any_negative(values, d.columns_of(i)))
        most = std::numeric_limits<T>::infinity();
    }
    b.most[f] = most;
  }
  if (plan_->rule.field_count) b.most[0] = std::min<double>(2 * b.most[0], std::numeric_limits<T>::max());
  b.measured = steps();
}

// Such a weight of layer l was written, with its fields at their start.
template <class T>
void LearnerOf<T>::widen_bounds(int l, T weight) {
  leaps_.sums_stale = true;
  std::vector<double>& most = bounds_[l].most;
  if (std::abs(weight) > most[0]) {
    most[0] = std::abs(weight);
    allowed_ = 0;
  }
  for (int f = 0; f < plan_->rule.field_count; ++f)
    most[f + 1] = std::max(most[f + 1], (double)std::abs(start_value(f, weight)));
}

// How large weights become is not known beforehand: they are measured before the next update. Rules with fields look at
// each.
template <class T>
void LearnerOf<T>::forget_bounds() {
  for (Bounds& b : bounds_)
    if (!plan_->rule.field_count) b.most[0] = std::numeric_limits<double>::infinity();
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
  const auto bound = kernels_.rules[plan_->rule.index].bound;
  const double x = std::max(1.0, (double)scratch_[l].emitted.largest);
  const double gradient = x * kernels_.largest(scratch_[l + 1].delta, padded);
  if (plan_->rule.uses_sensitivity &&
      !(kernels_.all_finite(sensitivity, padded) &&
        x * x * std::max(1.0, (double)kernels_.largest(sensitivity, padded)) < base::kSmall))
    return false;
  if (bound(b.most.data(), gradient, hyper())) return true;
  // A pass over a few rows is no reason to measure all of them.
  const uint64_t passes = l == 0 && inputs_.gathered ? scratch_[0].units / std::max(1, scratch_[0].count) : 1;
  if (steps() < b.measured + kRest * passes) return false;
  measure_bounds(l);
  return bound(b.most.data(), gradient, hyper());
}

// Whether no delta and no update of this example can overflow. Mostly it was known beforehand, for a number of
// examples whose deltas and values stay below caps.
template <class T>
bool LearnerOf<T>::bounded(T largest_delta) {
  bool known = allowed_ > 0 && largest_delta <= largest_delta_;
  for (size_t l = 0; l < calls_.size(); ++l) known &= scratch_[l].emitted.largest <= calls_[l].largest_input;
  if (known) return --allowed_, true;
  if (!reach_.constant) return allow(largest_delta, false);
  if (allow(largest_delta, true)) return true;
  if (steps() >= bounds_[0].measured + kRest) {  // what was allowed has not all been needed
    measure_bounds();
    if (allow(largest_delta, true)) return true;
  }
  return allow(largest_delta, false);
}

// Looks at this example, or `ahead` at examples a few times as large; bounds of |w| then hold behind them.
template <class T>
bool LearnerOf<T>::allow(T largest_delta, bool ahead) {
  constexpr int kAhead = 64;
  const int examples = ahead ? kAhead : 1;
  auto cap = [ahead](T now) { return ahead ? std::max(T(4) * now, T(1)) : now; };
  double decay = 1, delta = cap(largest_delta), most = 0, own = 0;
  for (int i = 0; i < examples; ++i) decay *= reach_.decay;
  for (int l = (int)calls_.size(); l-- > 0;) {
    Call& c = calls_[l];
    delta *= c.amplifies;
    if (!c.constant) delta = stretch(l + 1, delta, &own);
    const double gradient = delta * std::max(1.0, (double)cap(scratch_[l].emitted.largest));
    c.largest_weight = (bounds_[l].most[0] + examples * (reach_.moves * gradient + reach_.noise)) * decay;
    delta *= c.largest_weight * plan_->dense[l].outputs;
    most += gradient + c.largest_weight;  // not finite where one of them is not
  }
  if (calls_[0].propagates) most += stretch(0, delta, &own);
  most += (own * (1 + reach_.moves) + reach_.noise) * decay;  // of the operations' parameters
  if (!(most < (sizeof(T) == 4 ? 1e30 : 1e290))) return false;
  for (size_t l = 0; l < calls_.size(); ++l) {
    if (!plan_->rule.field_count) bounds_[l].most[0] = calls_[l].largest_weight;
    calls_[l].largest_input = cap(scratch_[l].emitted.largest);
  }
  largest_delta_ = cap(largest_delta);
  allowed_ = ahead ? kAhead - 1 : 0;
  return true;
}

// The slow path: all deltas are computed, nothing is written, and every update is checked.
template <class T>
bool LearnerOf<T>::probe() {
  for (int b = (int)plan_->dense.size(); b > 0; --b) {
    back_ops(b, false, true);
    if (!ops_fit(b)) return false;
    const double delta = kernels_.largest(scratch_[b].delta, plan_->boundaries[b].padded);
    if (!kernels_.all_finite(scratch_[b].delta, plan_->boundaries[b].padded)) return false;
    const double gradient = delta * std::max(1.0, (double)scratch_[b - 1].emitted.largest);
    const double most = std::numeric_limits<T>::max() / 4;
    const double decay = hyper()[0] * decay_rate();
    if (!(gradient < most) || !(hyper()[0] * gradient + reach_.noise + (1 + decay) * bounds_[b - 1].most[0] < most))
      return false;
    if (b > 1 || calls_[0].propagates) read_back(b, false);
  }
  if (!calls_[0].propagates) return true;
  back_ops(0, false, true);
  return ops_fit(0);
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
