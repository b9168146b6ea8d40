// Normalize and project: the weights of each layer return to the norm that they had at first.
#include <cmath>
#include <limits>

#include "learner/learner.h"

namespace streamdl {

// The Frobenius norm of a layer's weights. Eight sums run beside each other in a fixed order, whatever vectors the
// compiler makes of them.
template <class T>
double LearnerOf<T>::norm(const Dense& d) const {
  double squares = 0;
  for (int i = 0; i + 1 < d.vectors; ++i) {
    const T* w = vector(d, i);
    double part[8] = {};
    for (int k = 0; k < d.columns; k += 8)
      for (int u = 0; u < 8; ++u) part[u] += (double)w[k + u] * (double)w[k + u];
    squares += ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
  }
  return std::sqrt(squares);
}

// Lyle et al., 2024.
template <class T>
void LearnerOf<T>::normalize_and_project(const MethodInfo& method) {
  if (!is_due(hyper()[method.hyper + base::NormalizeAndProject::period])) return;
  plan_->each_matrix([&](const Dense& d, uint32_t place) {
    const double first = *block_->at<double>(d.norm), now = norm(d);
    if (!(first > 0 && now > 0 && now <= std::numeric_limits<double>::max())) return;
    const double factor = first / now;
    for (int i = 0; i + 1 < d.vectors; ++i)
      for (int k = 0; k < d.columns; ++k) vector(d, i)[k] = (T)(vector(d, i)[k] * factor);
    if (place < plan_->dense.size()) weights_changed(place, largest_weight(place));
  });
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
