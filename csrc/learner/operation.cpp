#include "learner/operation.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace streamdl {

template <class T>
Operation<T>::Operation(const UnitOp& op, const Kernels<T>& kernels, const Block& state)
    : op_(op), kernels_(kernels), state_(state) {
  for (const Parameters& p : op.arrays) {
    Gradients g;
    g.count = (size_t)p.rows * p.columns;
    g.gradient = memory_.allocate<T>(g.count);
    g.sensitivity = memory_.allocate<T>(g.count);
    gradients_.push_back(g);
  }
  // The arrays of one operation belong to the same units.
  T* sums = op.arrays.empty() ? nullptr : memory_.allocate<T>(op.arrays[0].columns);
  T* factors = op.arrays.empty() ? nullptr : memory_.allocate<T>(op.arrays[0].columns);
  for (Gradients& g : gradients_) g.unit_sums = sums, g.unit_factors = factors;
  for (T*& correction : correction_) correction = memory_.allocate<T>(padded<T>(std::max(op.clocked, 1)));
}

template <class T>
void Operation<T>::share_corrections(T* const* of_units) {
  std::copy(of_units, of_units + kMaxClocks, correction_);
}

template <class T>
void Operation<T>::add_squares(T curvature) {
  for (const Gradients& g : gradients_)
    for (size_t i = 0; i < g.count; ++i) g.sensitivity[i] += curvature * (g.gradient[i] * g.gradient[i]);
}

template <class T>
void Operation<T>::clear_sensitivities() {
  for (const Gradients& g : gradients_) std::fill(g.sensitivity, g.sensitivity + g.count, T(0));
}

template <class T>
void Operation<T>::keep_slopes() {
  for (const Gradients& g : gradients_)
    for (size_t i = 0; i < g.count; ++i) g.sensitivity[i] = std::abs(g.gradient[i]);
}

template <class T>
T Operation<T>::largest(const Parameters& p) const {
  T most(0);
  for (int r = 0; r < p.rows; ++r) most = std::max(most, kernels_.largest(parameters(p, r), p.columns));
  return most;
}

namespace {

template <class T>
class ActivationOp final : public Operation<T> {
 public:
  using Operation<T>::Operation;

  bool forward(const T* in, T* out, const Pass&) override {
    Emitted<T> emitted;
    return this->kernels_.emit[kind()](in, out, this->op_.in.size(), nullptr, &emitted);
  }
  void back(const T* in, const T* out, T* delta, T* sensitivity, bool) override {
    this->kernels_.activate_back[kind()](in, out, delta, delta, sensitivity, sensitivity, this->op_.in.size());
  }
  double stretch(double delta, double*) const override { return 1.2 * delta; }
  bool constant() const override { return true; }

 private:
  int kind() const { return (int)this->op_.spec.activation; }
};

template <class T>
class DropoutOp final : public Operation<T> {
 public:
  DropoutOp(const UnitOp& op, const Kernels<T>& kernels, const Block& state)
      : Operation<T>(op, kernels, state), gate_(this->memory_.template allocate<T>(padded<T>(op.in.size()))) {}

  bool forward(const T* in, T* out, const Pass& pass) override {
    const int n = this->op_.in.size();
    const uint32_t counter[4] = {0, (uint32_t)pass.step, (uint32_t)(pass.step >> 32), pass.place};
    if (pass.train) return this->kernels_.drop(in, out, gate_, n, this->op_.spec.rate, counter, pass.key.data());
    std::memcpy(out, in, sizeof(T) * padded<T>(n));
    return true;
  }
  void back(const T*, const T*, T* delta, T* sensitivity, bool) override {
    const int n = this->op_.in.size();
    this->kernels_.multiply(delta, gate_, delta, n);
    for (int twice = 0; sensitivity && twice < 2; ++twice) this->kernels_.multiply(sensitivity, gate_, sensitivity, n);
  }
  double stretch(double delta, double*) const override { return delta / (1 - this->op_.spec.rate); }
  bool constant() const override { return true; }

 private:
  T* gate_;
};

}  // namespace

template <class T>
std::unique_ptr<Operation<T>> make_operation(const UnitOp& op, const Kernels<T>& kernels, const Block& state) {
  using Kind = LayerSpec::Kind;
  switch (op.spec.kind) {
    case Kind::activation: return std::make_unique<ActivationOp<T>>(op, kernels, state);
    case Kind::dropout: return std::make_unique<DropoutOp<T>>(op, kernels, state);
    case Kind::layer_norm:
    case Kind::online_norm:
    case Kind::input_norm: return make_norm<T>(op, kernels, state);
    case Kind::crelu:
    case Kind::fourier:
    case Kind::prelu:
    case Kind::adalin: return make_feature<T>(op, kernels, state);
    default: return make_image_operation<T>(op, kernels, state);
  }
}

template class Operation<float>;
template class Operation<double>;
template std::unique_ptr<Operation<float>> make_operation(const UnitOp&, const Kernels<float>&, const Block&);
template std::unique_ptr<Operation<double>> make_operation(const UnitOp&, const Kernels<double>&, const Block&);

}  // namespace streamdl
