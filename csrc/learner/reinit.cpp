// Selective weight reinitialization: the least useful weights of every layer are drawn anew.
#include <algorithm>
#include <cmath>

#include "learner/learner.h"

namespace streamdl {

using Table = base::SelectiveWeightReinit;

// Hernandez-Garcia et al., 2025.
template <class T>
void LearnerOf<T>::selective_weight_reinit(const MethodInfo& method) {
  const double* h = hyper() + method.hyper;
  const bool due = is_due(h[Table::period]);
  if (!due && h[Table::decay] == 0) return;  // only this example's utility counts
  for (int l = 0; l < (int)plan_->dense.size(); ++l) {
    follow_worth(l, (T)h[Table::decay], method.options[Table::utility]);
    if (due && reinit(l, method)) weights_changed((size_t)l, largest_weight((size_t)l));
  }
}

// u of every weight of layer l, from the weights as they are and the gradient of this update.
template <class T>
void LearnerOf<T>::follow_worth(int l, T decay, bool by_gradient) {
  const Dense& d = plan_->dense[l];
  const T *x = value(l), *delta = scratch_[l + 1].delta, rest = T(1) - decay;
  const T error = plan_->rule.descends_output ? error_ : T(1);
  for (int i = 0; i + 1 < d.vectors; ++i) {
    const T* w = vector(d, i);
    T* u = vector(d, i) + d.worth;
    if (!by_gradient) {
      for (int k = 0; k < d.columns; ++k) u[k] = decay * u[k] + rest * std::abs(w[k]);
    } else if (minibatch_) {
      const T* g = gradients_[l] + (size_t)i * d.columns;
      for (int k = 0; k < d.columns; ++k) u[k] = decay * u[k] + rest * std::abs(w[k] * g[k]);
    } else {
      const T one = (d.by_output ? delta : x)[i] * error, *other = d.by_output ? x : delta;
      for (int k = 0; k < d.columns; ++k) u[k] = decay * u[k] + rest * std::abs(w[k] * (one * other[k]));
    }
  }
}

// Whether any weight of layer l was drawn anew.
template <class T>
bool LearnerOf<T>::reinit(int l, const MethodInfo& method) {
  const Dense& d = plan_->dense[l];
  const uint64_t now = *block_->at<uint64_t>(plan_->updates);
  const bool draws = method.options[Table::reinit] == 0;
  size_t equals = 0;  // of the limit, that go
  T limit;
  bool any = false;
  const double fraction = hyper()[method.hyper + Table::fraction];
  if (method.options[Table::pruning] == 0) {
    equals = choose_least_weights(l, fraction, &limit);
    if (equals == 0) return false;
  } else {
    double total = 0;
    for (int j = 0; j < d.inputs; ++j)
      for (int k = 0; k < d.outputs; ++k) total += weight(d, j, k)[d.worth];
    limit = (T)(fraction * (total / ((double)d.inputs * d.outputs)));
    equals = (size_t)d.inputs * d.outputs;
  }
  for (int j = 0; j < d.inputs; ++j)
    for (int k = 0; k < d.outputs; ++k) {
      T* const w = weight(d, j, k);
      if (!(w[d.worth] < limit || (w[d.worth] == limit && equals > 0))) continue;
      equals -= w[d.worth] == limit;
      *w = draws ? (T)*draw_incoming(d, (uint32_t)l, k, kReinit, now, j, 1) : T(0);
      any = true;
    }
  for (int i = 0; any && i + 1 < d.vectors; ++i)
    std::fill(vector(d, i) + d.worth, vector(d, i) + d.worth + d.columns, T(0));
  return any;
}

// The largest utility among the weights of layer l that go, and how many of this utility go: those that come first. 0
// where none is due.
template <class T>
size_t LearnerOf<T>::choose_least_weights(int l, double fraction, T* limit) {
  const Dense& d = plan_->dense[l];
  const size_t all = (size_t)d.inputs * d.outputs;
  double& due = *block_->at<double>(d.due);
  due += fraction * (double)all;
  const size_t n = std::min((size_t)due, all);
  due -= (double)n;
  if (n == 0) return 0;
  T* end = worths_.data();
  for (int j = 0; j < d.inputs; ++j)
    for (int k = 0; k < d.outputs; ++k) *end++ = weight(d, j, k)[d.worth];
  T* const last = worths_.data() + n - 1;
  std::nth_element(worths_.data(), last, end);
  *limit = *last;
  const auto less = std::count_if(worths_.data(), last, [last](T u) { return u < *last; });
  return n - (size_t)less;
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
