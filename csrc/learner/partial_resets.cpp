// Continuous Continual Backprop: all units move towards their reset, the less useful ones further.
#include <algorithm>
#include <cmath>

#include "learner/learner.h"
#include "math/elementary.h"

namespace streamdl {

using Table = base::ContinuousContinualBackprop;

template <class T>
void LearnerOf<T>::continuous_continual_backprop(const MethodInfo& method) {
  const double* h = hyper() + method.hyper;
  const int hidden = (int)plan_->dense.size() - 1;
  for (int l = 0; l < hidden; ++l) follow_partial_utility(l, h[Table::decay]);
  if (!is_due(h[Table::period])) return;
  for (int l = 0; l < hidden; ++l) reset_partially(l, h);
  for (size_t l = 0; hidden > 0 && l < plan_->dense.size(); ++l) weights_changed(l, largest_weight(l));
}

// u of the outputs of layer l, from the gradients of their incoming weights.
template <class T>
void LearnerOf<T>::follow_partial_utility(int l, double decay) {
  const Dense& d = plan_->dense[l];
  T* u = block_->at<T>(d.partial_utility);
  T* m = scratch_[l + 1].exact;
  double mean = 0;
  if (minibatch_) {
    std::fill(m, m + d.outputs, T(0));
    for (int j = 0; j < d.inputs; ++j)
      for (int k = 0; k < d.outputs; ++k) m[k] += std::abs(gradients_[l][(size_t)j * d.columns + k]) / (T)d.inputs;
  } else {
    T inputs(0);  // their mean size
    for (int j = 0; j < d.inputs; ++j) inputs += std::abs(value(l)[j]) / (T)d.inputs;
    if (plan_->rule.descends_output) inputs *= std::abs(error_);
    for (int k = 0; k < d.outputs; ++k) m[k] = inputs * std::abs(scratch_[l + 1].delta[k]);
  }
  for (int k = 0; k < d.outputs; ++k) mean += m[k] / (double)d.outputs;
  for (int k = 0; k < d.outputs; ++k) u[k] = (T)(decay * u[k] + (1 - decay) * (m[k] / (mean + 1e-8)));
}

template <class T>
void LearnerOf<T>::reset_partially(int l, const double* h) {
  const Dense &below = plan_->dense[l], &above = plan_->dense[l + 1];
  const uint64_t now = *block_->at<uint64_t>(plan_->updates);
  T* u = block_->at<T>(below.partial_utility);
  for (int k = 0; k < below.outputs; ++k) {
    const double excess = h[Table::sharpness] * (u[k] - h[Table::threshold]);
    u[k] = (T)(h[Table::replacement_rate] * (excess > 0 ? base::exp(-excess) : 1));  // p, until the layer is done
  }
  auto draw = [&](int k) { return draw_incoming(below, (uint32_t)l, k, kPartial, now); };
  visit_drawn(below, draw, [&](T* w, int j, int k, double drawn) {
    if (j < below.inputs) *w = (T)((1 - (double)u[k]) * *w + (double)u[k] * drawn);
  });
  for (int k = 0; k < below.outputs; ++k) {
    for (int i = 0; i < above.outputs; ++i) *weight(above, k, i) *= T(1) - u[k];
    u[k] = T(1);
  }
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
