// Norms: of the units of a layer, and of each unit, or input, over the examples of a stream.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "learner/operation.h"

namespace streamdl {
namespace {

// gain * z + shift of the normalised z, or z itself.
template <class T>
class AffineOp : public Operation<T> {
 public:
  AffineOp(const UnitOp& op, const Kernels<T>& kernels, const Block& state)
      : Operation<T>(op, kernels, state),
        n_(op.in.size()),
        normalized_(this->memory_.template allocate<T>(padded<T>(n_))) {}

 protected:
  bool affine() const { return this->op_.parameter >= 0; }
  T* gain() const { return this->parameters(this->op_.arrays[0], 0); }
  T* shift() const { return this->parameters(this->op_.arrays[1], 0); }
  bool send(T* out) const { return this->kernels_.affine(normalized_, gain(), shift(), out, n_); }

  // The gradients of gain and shift, and delta (and sensitivity) at z, in place.
  void back_to_normalized(T* delta, T* sensitivity) {
    if (!affine()) return;
    auto &of_gain = this->gradients_[0], &of_shift = this->gradients_[1];
    const auto multiply = this->kernels_.multiply;
    std::memcpy(of_shift.gradient, delta, sizeof(T) * padded<T>(n_));
    multiply(delta, normalized_, of_gain.gradient, n_);
    multiply(delta, gain(), delta, n_);
    if (!sensitivity) return;
    std::memcpy(of_shift.sensitivity, sensitivity, sizeof(T) * padded<T>(n_));
    multiply(sensitivity, normalized_, of_gain.sensitivity, n_);
    multiply(of_gain.sensitivity, normalized_, of_gain.sensitivity, n_);
    multiply(sensitivity, gain(), sensitivity, n_);
    multiply(sensitivity, gain(), sensitivity, n_);
  }
  double stretch_to_normalized(double delta, double* most) const {
    if (!affine()) return delta;
    const double largest = this->largest(this->op_.arrays[0]);
    *most += largest + this->largest(this->op_.arrays[1]) + delta * std::max(1.0, (double)largest_normalized());
    return delta * (1 + largest);
  }
  T largest_normalized() const { return this->kernels_.largest(normalized_, padded<T>(n_)); }

  int n_;
  T* normalized_;
};

template <class T>
class LayerNormOp final : public AffineOp<T> {
 public:
  using AffineOp<T>::AffineOp;

  bool forward(const T* in, T* out, const Pass&) override {
    T* z = this->affine() ? this->normalized_ : out;
    return this->kernels_.normalize(in, z, &inverse_deviation_, this->n_) && (!this->affine() || this->send(out));
  }
  void back(const T*, const T* out, T* delta, T* sensitivity, bool) override {
    this->back_to_normalized(delta, sensitivity);
    const T* z = this->affine() ? this->normalized_ : out;
    this->kernels_.normalize_back(z, inverse_deviation_, delta, delta, sensitivity, sensitivity, this->n_);
  }
  double stretch(double delta, double* most) const override {
    return this->stretch_to_normalized(delta, most) * (double)inverse_deviation_ * (2 + this->n_);
  }

 private:
  T inverse_deviation_ = T(0);
};

// Chiley et al., 2019. The state of a unit: mean and variance of the examples before, and what steers its gradient.
template <class T>
class OnlineNormOp final : public AffineOp<T> {
 public:
  OnlineNormOp(const UnitOp& op, const Kernels<T>& kernels, const Block& state) : AffineOp<T>(op, kernels, state) {
    for (T** vector : {&scale_, &steered_, &passed_}) *vector = this->memory_.template allocate<T>(padded<T>(this->n_));
  }

  bool forward(const T* in, T* out, const Pass& pass) override {
    const T *mean = state(kMean), *variance = state(kVariance);
    T* z = this->normalized_;
    bool finite = true;
    for (int k = 0; k < this->n_; ++k) {
      scale_[k] = T(1) / std::sqrt(variance[k] + T(1e-5));
      const T distance = in[k] - mean[k];
      z[k] = distance * scale_[k];
      if (pass.train) finite &= is_finite(next_variance(variance[k], distance));
    }
    if (!finite) return false;
    if (this->affine()) return this->send(out);
    std::copy(z, z + this->n_, out);
    return this->kernels_.all_finite(out, padded<T>(this->n_));
  }

  void back(const T*, const T*, T* delta, T* sensitivity, bool learns) override {
    this->back_to_normalized(delta, sensitivity);
    const T *u = state(kU), *v = state(kV), *y = this->normalized_;
    const T rest = learns ? T(1) - (T)this->op_.spec.control_decay : T(0);
    for (int k = 0; k < this->n_; ++k) {
      passed_[k] = delta[k] - rest * v[k] * y[k];
      steered_[k] = delta[k] = passed_[k] * scale_[k] - rest * u[k];
      if (sensitivity) sensitivity[k] *= scale_[k] * scale_[k];
    }
  }

  void learned(const T* in) override {
    T *mean = state(kMean), *variance = state(kVariance), *u = state(kU), *v = state(kV);
    const T decay = (T)this->op_.spec.decay;
    for (int k = 0; k < this->n_; ++k) {
      const T distance = in[k] - mean[k];
      variance[k] = next_variance(variance[k], distance);
      mean[k] += (T(1) - decay) * distance;
      v[k] += passed_[k] * this->normalized_[k];
      u[k] += steered_[k];
    }
  }

  double stretch(double delta, double* most) const override {
    const auto largest = [&](const T* of) { return (double)this->kernels_.largest(of, padded<T>(this->n_)); };
    const double rest = 1 - this->op_.spec.control_decay, y = std::max(1.0, largest(this->normalized_));
    const double u = largest(state(kU)), v = largest(state(kV)), scale = largest(scale_);
    const double passed = this->stretch_to_normalized(delta, most) + rest * v * y;
    const double steered = passed * scale + rest * u;
    *most += u + v + passed * y + steered;
    return steered;
  }

 private:
  enum { kMean, kVariance, kU, kV };  // in the order of plan.cpp

  T* state(int which) const { return this->state_.template at<T>(this->op_.states[which].offset); }
  T next_variance(T variance, T distance) const {
    const T decay = (T)this->op_.spec.decay;
    return decay * variance + decay * (T(1) - decay) * (distance * distance);
  }
  static bool is_finite(T x) { return std::abs(x) <= std::numeric_limits<T>::max(); }

  T *scale_, *passed_, *steered_;
};

// The inputs of a network by their statistics so far, this example among them. Nothing learns below: no delta passes.
template <class T>
class InputNormOp final : public Operation<T> {
 public:
  using Operation<T>::Operation;

  bool forward(const T* in, T* out, const Pass&) override {
    const int n = this->op_.in.size();
    bool finite = true;
    for (int k = 0; k < n; ++k) {
      const Statistics now = with(in[k], k);
      out[k] = (T)((in[k] - now.mean) / std::sqrt(now.variance + this->op_.spec.epsilon));
      finite &= now.variance <= std::numeric_limits<T>::max();
    }
    return finite && this->kernels_.all_finite(out, padded<T>(n));
  }
  void back(const T*, const T*, T*, T*, bool) override {}
  void learned(const T* in) override {
    for (int k = 0; k < this->op_.in.size(); ++k) {
      const Statistics now = with(in[k], k);
      state(kMean)[k] = now.mean;
      state(kVariance)[k] = now.variance;
      state(kCount)[k] += 1;
    }
  }
  double stretch(double delta, double*) const override { return delta; }
  bool constant() const override { return true; }

 private:
  enum { kMean, kVariance, kCount };  // in the order of plan.cpp
  struct Statistics {
    double mean, variance;
  };

  double* state(int which) const { return this->state_.template at<double>(this->op_.states[which].offset); }
  // Those of input k with x among the examples: plain means at first, decaying ones from 1 / (1 - decay) examples on.
  Statistics with(double x, int k) const {
    const double rate = std::max(1 - this->op_.spec.decay, 1 / (state(kCount)[k] + 1));
    const double mean = state(kMean)[k], distance = x - mean;
    const double variance = (1 - rate) * (state(kVariance)[k] + rate * (distance * distance));
    return {mean + rate * distance, variance};
  }
};

}  // namespace

template <class T>
std::unique_ptr<Operation<T>> make_norm(const UnitOp& op, const Kernels<T>& kernels, const Block& state) {
  if (op.spec.kind == LayerSpec::Kind::layer_norm) return std::make_unique<LayerNormOp<T>>(op, kernels, state);
  if (op.spec.kind == LayerSpec::Kind::input_norm) return std::make_unique<InputNormOp<T>>(op, kernels, state);
  return std::make_unique<OnlineNormOp<T>>(op, kernels, state);
}

template std::unique_ptr<Operation<float>> make_norm(const UnitOp&, const Kernels<float>&, const Block&);
template std::unique_ptr<Operation<double>> make_norm(const UnitOp&, const Kernels<double>&, const Block&);

}  // namespace streamdl
