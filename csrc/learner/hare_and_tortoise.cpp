// Hare and tortoise: slow weights that follow the ones that learn, and predictions with them.
#include <algorithm>

#include "learner/learner.h"

namespace streamdl {

// Calls visit(weights, slow weights, how many) for all parameters.
template <class T>
template <class Visit>
void LearnerOf<T>::visit_slow(const Visit& visit) {
  plan_->each_matrix([&](const Dense& d, uint32_t) {
    for (int i = 0; i < d.vectors; ++i) visit(vector(d, i), vector(d, i) + d.offset_of(i, d.slow), d.columns_of(i));
  });
  visit_slow_of_operations(visit);
}

template <class T>
template <class Visit>
void LearnerOf<T>::visit_slow_of_operations(const Visit& visit) {
  plan_->each_parameters([&](const UnitOp& op, size_t which) {
    const Parameters& p = op.arrays[which];
    T* w = block_->at<T>(p.offset);
    if (p.of_units) visit(w, w + slow_of(p), p.columns);
  });
}

// Lee et al., 2024.
template <class T>
void LearnerOf<T>::hare_and_tortoise(const MethodInfo& method) {
  using Table = base::HareAndTortoise;
  const double* h = hyper() + method.hyper;
  const T decay = (T)h[Table::decay], rest = (T)(1 - h[Table::decay]);
  const auto follow = kernels_.follow;
  plan_->each_matrix([&](const Dense& d, uint32_t) {
    const int last = d.vectors - 1;
    follow(vector(d, 0), vector(d, 0) + d.slow, (ptrdiff_t)d.vector_stride, last, d.columns, decay, rest);
    follow(bias(d), bias(d) + d.offset_of(last, d.slow), 0, 1, d.bias_columns, decay, rest);
  });
  visit_slow_of_operations([=](T* w, T* slow, int n) { follow(w, slow, 0, 1, n, decay, rest); });
  if (!is_due(h[Table::period])) return;
  visit_slow([](T* w, const T* slow, int n) { std::copy(slow, slow + n, w); });
  for (size_t l = 0; l < plan_->dense.size(); ++l) weights_changed(l, largest_weight(l));
}

// Before the first update the slow weights may lag behind what was written to the others.
template <class T>
bool LearnerOf<T>::predicts_slow() const {
  const MethodInfo* method = plan_->method(Method::HareAndTortoise);
  return method && method->options[base::HareAndTortoise::predict] && *block_->at<uint64_t>(plan_->updates) > 0;
}

// Turns the forward pass to the slow weights (1), and back (-1).
template <class T>
void LearnerOf<T>::look_at_slow(int direction) {
  for (size_t l = 0; l < calls_.size(); ++l) {
    ForwardArgs<T>& a = calls_[l].forward;
    const Dense& d = plan_->dense[l];
    a.weights += direction * d.slow;
    a.bias += direction * d.offset_of(d.vectors - 1, d.slow);
  }
  auto exchange = [](T* w, T* slow, int n) { std::swap_ranges(w, w + n, slow); };
  plan_->each_matrix([&](const Dense& d, uint32_t place) {  // operations look for theirs where they always are
    for (int i = 0; place >= plan_->dense.size() && i < d.vectors; ++i)
      exchange(vector(d, i), vector(d, i) + d.slow, d.columns);
  });
  visit_slow_of_operations(exchange);
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
