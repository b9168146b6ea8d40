// Operations that make two features of a unit, or learn their own slope. Plain loops, O(units).
#include <algorithm>
#include <cmath>
#include <limits>

#include "learner/operation.h"
#include "math/elementary.h"
#include "rules/activations.h"

namespace streamdl {
namespace {

// Two features f(a), g(a) and their slopes; silent where f or g is 0 and flat there, as `silent_is_flat` of activations.
struct CReLU {
  template <class T>
  static void values(T a, T* f, T* g) {
    *f = std::max(a, T(0));
    *g = std::max(-a, T(0));
  }
  template <class T>
  static void slopes(T a, T, T, T* f, T* g) {
    *f = a > T(0) ? T(1) : T(0);
    *g = a < T(0) ? T(-1) : T(0);
  }
};
struct Fourier {
  template <class T>
  static void values(T a, T* f, T* g) {
    double sine, cosine;  // in double: angles may be large
    base::sine_and_cosine((double)a, &sine, &cosine);
    *f = (T)sine;
    *g = (T)cosine;
  }
  template <class T>
  static void slopes(T, T sine, T cosine, T* f, T* g) {
    *f = cosine;
    *g = -sine;
  }
};

// f of all units, then g of all units.
template <class Pair, class T>
class PairOp final : public Operation<T> {
 public:
  using Operation<T>::Operation;

  bool forward(const T* in, T* out, const Pass&) override {
    const int n = this->op_.in.size();
    bool finite = true;
    for (int k = 0; k < n; ++k) {
      finite &= std::abs(in[k]) <= std::numeric_limits<T>::max();
      Pair::values(in[k], &out[k], &out[n + k]);
    }
    return finite;
  }
  void back(const T* in, const T* out, T* delta, T* sensitivity, bool) override {
    const int n = this->op_.in.size();
    for (int k = 0; k < n; ++k) {
      T f, g;
      Pair::slopes(in[k], out[k], out[n + k], &f, &g);
      // What stands there for a silent feature may be no number.
      delta[k] = (f != T(0) ? f * delta[k] : T(0)) + (g != T(0) ? g * delta[n + k] : T(0));
      if (sensitivity)
        sensitivity[k] = (f != T(0) ? f * f * sensitivity[k] : T(0)) + (g != T(0) ? g * g * sensitivity[n + k] : T(0));
    }
    clear_rest(delta, n);
    if (sensitivity) clear_rest(sensitivity, n);
  }
  double stretch(double delta, double*) const override { return 2 * delta; }
  bool constant() const override { return true; }

 private:
  static void clear_rest(T* of, int n) { std::fill(of + n, of + padded<T>(2 * n), T(0)); }
};

// max(a, 0) + slope min(a, 0), with a slope for every unit.
template <class T>
class PReLUOp final : public Operation<T> {
 public:
  using Operation<T>::Operation;

  bool forward(const T* in, T* out, const Pass&) override {
    const int n = this->op_.in.size();
    least_ = T(0);
    for (int k = 0; k < n; ++k) {
      out[k] = in[k] > T(0) ? in[k] : slope()[k] * in[k];
      least_ = std::min(least_, in[k]);
    }
    return this->kernels_.all_finite(in, padded<T>(n)) && this->kernels_.all_finite(out, padded<T>(n));
  }
  void back(const T* in, const T*, T* delta, T* sensitivity, bool) override {
    auto& g = this->gradients_[0];
    for (int k = 0; k < this->op_.in.size(); ++k) {
      const T below = std::min(in[k], T(0)), own = in[k] > T(0) ? T(1) : slope()[k];
      g.gradient[k] = delta[k] * below;
      delta[k] *= own;
      if (!sensitivity) continue;
      g.sensitivity[k] = sensitivity[k] * (below * below);
      sensitivity[k] *= own * own;
    }
  }
  double stretch(double delta, double* most) const override {
    const double steepest = this->largest(this->op_.arrays[0]);
    *most += steepest + delta * std::max(1.0, -(double)least_);
    return delta * std::max(1.0, steepest);
  }

 private:
  const T* slope() const { return this->parameters(this->op_.arrays[0], 0); }
  T least_ = T(0);
};

constexpr double kSteepest[] = {
#define STREAMDL_STEEPEST(A, name, gain) base::steepest<base::A>(),
    STREAMDL_ACTIVATIONS(STREAMDL_STEEPEST)
#undef STREAMDL_STEEPEST
};

// value(a) + weight a g, with a weight for every unit; the gate g = cos(pi/2 |slope(a)| / steepest) opens where the
// activation is flat, and counts as a constant.
template <class T>
class AdaLinOp final : public Operation<T> {
 public:
  AdaLinOp(const UnitOp& op, const Kernels<T>& kernels, const Block& state) : Operation<T>(op, kernels, state) {
    const int room = padded<T>(op.in.size()) + kLanes<T>;
    for (T** vector : {&ones_, &value_, &slope_, &gate_}) *vector = this->memory_.template allocate<T>(room);
    std::fill(ones_, ones_ + op.in.size(), T(1));
  }

  bool forward(const T* in, T* out, const Pass&) override {
    const int n = this->op_.in.size(), kind = (int)this->op_.spec.activation;
    Emitted<T> emitted;
    bool finite = this->kernels_.emit[kind](in, value_, n, nullptr, &emitted);
    this->kernels_.activate_back[kind](in, value_, ones_, slope_, nullptr, nullptr, n);
    furthest_ = T(0);
    for (int k = 0; k < n; ++k) {
      double sine, cosine;
      const double flat = std::min(std::abs((double)slope_[k]) / kSteepest[kind], 1.0);
      base::sine_and_cosine(1.5707963267948966 * flat, &sine, &cosine);
      gate_[k] = (T)cosine;
      const T straight = in[k] * gate_[k];
      furthest_ = std::max(furthest_, std::abs(straight));
      out[k] = value_[k] + weight()[k] * straight;
    }
    return finite && this->kernels_.all_finite(out, padded<T>(n));
  }
  void back(const T* in, const T*, T* delta, T* sensitivity, bool) override {
    auto& g = this->gradients_[0];
    for (int k = 0; k < this->op_.in.size(); ++k) {
      const T straight = in[k] * gate_[k], own = slope_[k] + weight()[k] * gate_[k];
      g.gradient[k] = delta[k] * straight;
      delta[k] *= own;
      if (!sensitivity) continue;
      g.sensitivity[k] = sensitivity[k] * (straight * straight);
      sensitivity[k] *= own * own;
    }
  }
  double stretch(double delta, double* most) const override {
    const double weight = this->largest(this->op_.arrays[0]);
    *most += weight + delta * std::max(1.0, (double)furthest_);
    return delta * (kSteepest[(int)this->op_.spec.activation] + weight);
  }

 private:
  const T* weight() const { return this->parameters(this->op_.arrays[0], 0); }
  T *ones_, *value_, *slope_, *gate_;
  T furthest_ = T(0);
};

}  // namespace

template <class T>
std::unique_ptr<Operation<T>> make_feature(const UnitOp& op, const Kernels<T>& kernels, const Block& state) {
  using Kind = LayerSpec::Kind;
  switch (op.spec.kind) {
    case Kind::crelu: return std::make_unique<PairOp<CReLU, T>>(op, kernels, state);
    case Kind::fourier: return std::make_unique<PairOp<Fourier, T>>(op, kernels, state);
    case Kind::prelu: return std::make_unique<PReLUOp<T>>(op, kernels, state);
    case Kind::adalin: return std::make_unique<AdaLinOp<T>>(op, kernels, state);
    default: return nullptr;
  }
}

template std::unique_ptr<Operation<float>> make_feature(const UnitOp&, const Kernels<float>&, const Block&);
template std::unique_ptr<Operation<double>> make_feature(const UnitOp&, const Kernels<double>&, const Block&);

}  // namespace streamdl
