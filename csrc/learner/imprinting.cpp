// Imprinting: an input that surprised becomes a unit of the last hidden layer.
#include <algorithm>
#include <cmath>

#include "learner/learner.h"

namespace streamdl {

using Table = base::Imprinting;

// The mature unit of least mean |outgoing weights|, if more than half of them are mature; else -1.
template <class T>
int LearnerOf<T>::replaceable(int hidden, double maturity) const {
  const Dense& above = plan_->dense[hidden + 1];
  const uint64_t now = *block_->at<uint64_t>(plan_->updates);
  const uint64_t* birth = block_->at<uint64_t>(plan_->hidden[hidden].birth);
  int mature = 0, least = -1;
  double least_sum = 0;
  for (int j = 0; j < above.inputs; ++j) {
    if ((double)(now - birth[j]) <= maturity) continue;
    ++mature;
    double sum = 0;
    for (int k = 0; k < above.outputs; ++k) sum += std::abs((double)*weight(above, j, k));
    if (least < 0 || sum < least_sum) least = j, least_sum = sum;
  }
  return 2 * mature > above.inputs ? least : -1;
}

// The incoming weights of a unit that knows the present values of its sources, and its bias behind them.
template <class T>
const double* LearnerOf<T>::imprint(int hidden, const double* h, bool random) {
  const int n = plan_->dense[hidden].inputs;
  double *joins = drawn_[0].data(), *bits = drawn_[1].data();
  const uint64_t now = *block_->at<uint64_t>(plan_->updates);
  const uint32_t counter[4] = {16, (uint32_t)now, (uint32_t)(now >> 32), (uint32_t)kImprint << 24 | (uint32_t)hidden};
  kernels_.uniforms(joins, bits, n, counter, key().data());
  const T* x = value(hidden);
  double ones = 0;
  for (int j = 0; j < n; ++j) {
    const bool one = random ? bits[j] < 0.5 : x[j] > T(0);
    const double w = one ? 1 : -1;
    joins[j] = joins[j] < h[Table::join] ? w : 0;
    ones += joins[j] > 0;
  }
  joins[n] = -h[Table::fraction] * ones;
  return joins;
}

template <class T>
void LearnerOf<T>::imprint_surprises(const MethodInfo& method) {
  const double* h = hyper() + method.hyper;
  const int hidden = (int)plan_->hidden.size() - 1;
  if (hidden < 0) return;
  const Dense& above = plan_->dense[hidden + 1];
  const T* delta = scratch_.back().delta;  // of the outputs, output - target
  double error = 0;
  for (int k = 0; k < above.outputs; ++k) error += plan_->rule.descends_output ? std::abs(error_) : std::abs(delta[k]);
  double& mean = *block_->at<double>(plan_->mean_error);
  const bool surprised = error > h[Table::surprise] * mean;
  mean = h[Table::decay] * mean + (1 - h[Table::decay]) * error;
  if (!surprised) return;
  const uint64_t now = *block_->at<uint64_t>(plan_->updates);
  const uint32_t counter[4] = {0, (uint32_t)now, (uint32_t)(now >> 32), (uint32_t)kImprint << 24 | (uint32_t)hidden};
  double lot[16];
  kernels_.uniforms(lot, nullptr, 16, counter, key().data());
  if (lot[0] >= h[Table::probability]) return;
  const int unit = replaceable(hidden, h[Table::maturity]);
  if (unit < 0) return;
  const bool random = method.options[Table::pattern] == 1;
  renew(hidden, unit, imprint(hidden, h, random));
  for (int k = 0; k < above.outputs && !random; ++k) {
    T* w = weight(above, unit, k);
    *w = (T)(h[Table::step_size] * (double)(plan_->rule.descends_output ? error_ : -delta[k]));
    widen_bounds(hidden + 1, *w);
  }
  scratch_[hidden + 1].sums_stale = true;
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
