// Normalize and project: the weights of each layer return to the norm that they had at first.
#include <algorithm>
#include <cmath>
#include <limits>

#include "learner/learner.h"

namespace streamdl {

// The Frobenius norm of a layer's weights.
template <class T>
double LearnerOf<T>::norm(const Dense& d) const {
  return std::sqrt(kernels_.squares(vector(d, 0), (ptrdiff_t)d.vector_stride, d.vectors - 1, d.columns));
}

// Lyle et al., 2024.
template <class T>
void LearnerOf<T>::normalize_and_project(const MethodInfo& method) {
  if (!is_due(hyper()[method.hyper + base::NormalizeAndProject::period])) return;
  plan_->each_matrix([&](const Dense& d, uint32_t place) {
    const double first = *block_->at<double>(d.norm), now = norm(d);
    if (!(first > 0 && now > 0 && now <= std::numeric_limits<double>::max())) return;
    const double factor = first / now;
    const T most = kernels_.multiply_all(vector(d, 0), (ptrdiff_t)d.vector_stride, d.vectors - 1, d.columns, factor);
    if (place < plan_->dense.size()) weights_changed(place, std::max(most, kernels_.largest(bias(d), d.bias_columns)));
  });
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
