#include "agents/last_layer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "learner/threads.h"

namespace streamdl {

std::unique_ptr<LastLayer> LastLayer::build(std::shared_ptr<Learner> body, std::shared_ptr<LinearTD> head,
                                            bool learns) {
  if (head->plan().spec.twice) return std::make_unique<LastLayerOf<double>>(std::move(body), std::move(head), learns);
  return std::make_unique<LastLayerOf<float>>(std::move(body), std::move(head), learns);
}

LastLayer::LastLayer(std::shared_ptr<Learner> body, std::shared_ptr<LinearTD> head, bool learns)
    : Stateful(body->plan().boundaries.front().units * sizeof(double)),
      body_(std::move(body)),
      head_(std::move(head)),
      inputs_(body_->plan().boundaries.front().units),
      features_(head_->plan().spec.features),
      learns_(learns) {
  if (!learns) return;
  const Type type = head_->plan().spec.twice ? Type::f64 : Type::f32;
  entries_.push_back({"input", type, {(size_t)inputs_}, {bytes_of(type)}, 0, false});
}

template <class T>
LastLayerOf<T>::LastLayerOf(std::shared_ptr<Learner> body, std::shared_ptr<LinearTD> head, bool learns)
    : LastLayer(std::move(body), std::move(head), learns) {
  for (T** vector : {&phi_, &gradient_, &curvature_}) *vector = memory_.allocate<T>(features_);
}

//---------------------------------------------------------------------------- inputs

// phi' of x'.
template <class T>
TDStatus LastLayerOf<T>::see(const Input<T>& x) {
  const Status status = network().predict(x, phi_);
  bad_ = network().bad();
  if (status == Status::input_not_finite && !x.indices)
    for (bad_ = 0; std::abs(x.values[bad_]) <= std::numeric_limits<T>::max();) ++bad_;
  switch (status) {
    case Status::ok: return TDStatus::ok;
    case Status::input_not_finite: return TDStatus::input_not_finite;
    case Status::index_out_of_range: return TDStatus::index_out_of_range;
    case Status::index_twice: return TDStatus::index_twice;
    default: return TDStatus::overflow;
  }
}

// What x' was is x now. Zeros have no sign, so that an input given either way leaves the same bits.
template <class T>
void LastLayerOf<T>::keep(const Input<T>& x) {
  if (!learns_) return;
  T* const input = block_->template at<T>(0);
  if (!x.indices) {
    for (int j = 0; j < inputs_; ++j) input[j] = x.values[j] + T(0);
    return;
  }
  std::fill(input, input + inputs_, T(0));
  for (size_t i = 0; i < x.count; ++i) {
    const int64_t at = x.wide ? static_cast<const int64_t*>(x.indices)[i] : static_cast<const int32_t*>(x.indices)[i];
    input[at] = x.values[i] + T(0);
  }
}

//---------------------------------------------------------------------------- stepping

template <class T>
bool LastLayerOf<T>::descend(T error) {
  const T* const w = linear().weights();
  for (int k = 0; k < features_; ++k) {
    gradient_[k] = -(error * w[k]);
    curvature_[k] = w[k] * w[k];
  }
  Target<T> target{};
  target.gradient = gradient_;
  target.curvature = curvature_;
  double loss;
  return network().step_within({block_->template at<T>(0)}, target, &loss) == Status::ok;
}

template <class T>
TDStatus LastLayerOf<T>::step(const Input<T>& x, T reward, T* prediction) {
  const FloatingPoint environment;
  return step_within(x, reward, prediction);
}

template <class T>
TDStatus LastLayerOf<T>::step_within(const Input<T>& x, T reward, T* prediction) {
  TDStatus status = see(x);
  if (status != TDStatus::ok) return status;
  const Input<T> phi{phi_};
  status = learns_ ? linear().step_above(phi, reward, prediction, &learn_below, this)
                   : linear().step_within(phi, reward, prediction);
  if (status == TDStatus::ok) keep(x);
  return status;
}

template <class T>
TDStatus LastLayerOf<T>::end(T reward) {
  const TDStatus status = learns_ ? linear().end_above(reward, &learn_below, this) : linear().end(reward);
  if (status == TDStatus::ok && learns_) std::fill_n(block_->template at<T>(0), inputs_, T(0));
  return status;
}

template <class T>
TDStatus LastLayerOf<T>::predict(const Input<T>& x, T* prediction) {
  const TDStatus status = see(x);
  return status == TDStatus::ok ? linear().predict({phi_}, prediction) : status;
}

template class LastLayerOf<float>;
template class LastLayerOf<double>;

}  // namespace streamdl
