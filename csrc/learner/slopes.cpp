// For MAS: how the sum of the squared outputs reacts to every pre-activation and parameter, by a pass back of its own
// that only reads.
#include <cmath>
#include <cstring>

#include "learner/learner.h"

namespace streamdl {

// |d (sum of squared outputs) / d a| of every pre-activation a, in `exact`; and the same of the operations' parameters.
template <class T>
void LearnerOf<T>::output_slopes() {
  const int last = (int)plan_->dense.size();
  Scratch& outputs = scratch_[last];
  const size_t bytes = sizeof(T) * padded<T>(outputs.units);
  std::memcpy(outputs.mean, outputs.delta, bytes);  // delta is needed again
  for (int k = 0; k < outputs.units; ++k) outputs.delta[k] = T(2) * outputs.out[k];
  for (int b = last; b >= 0; --b) {
    Scratch& s = scratch_[b];
    back_ops(b, false, false);
    for (auto& op : s.ops) op->keep_slopes();
    if (b == 0) break;
    for (int k = 0; k < plan_->boundaries[b].padded; ++k) s.exact[k] = std::abs(s.delta[k]);
    if (!calls_[b - 1].propagates) break;
    read_back(b, false);
  }
  std::memcpy(outputs.delta, outputs.mean, bytes);
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
