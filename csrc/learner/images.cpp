// Operations on images, which lie channel after channel, row after row. Plain loops over the windows.
#include <algorithm>
#include <cstring>

#include "learner/operation.h"

namespace streamdl {
namespace {

// Which inputs a window sees: those at first(w) + offsets()[i], by channel, row and column within the window.
class Windows {
 public:
  Windows(const UnitOp& op, int channels) : op_(op) {
    const int kernel = op.spec.kernel;
    for (int c = 0; c < channels; ++c)
      for (int r = 0; r < kernel; ++r)
        for (int k = 0; k < kernel; ++k) offsets_.push_back((c * op.in.rows + r) * op.in.columns + k);
  }
  int count() const { return op_.out.rows * op_.out.columns; }
  int first(int window) const {
    const int row = window / op_.out.columns, column = window % op_.out.columns;
    return (row * op_.in.columns + column) * op_.spec.stride;
  }
  const std::vector<int>& offsets() const { return offsets_; }

 private:
  const UnitOp& op_;
  std::vector<int> offsets_;
};

template <class T>
void replace(T* vector, const T* by, int count) {
  std::memcpy(vector, by, sizeof(T) * padded<T>(count));
}

// a = W^T x + b for every window x: a dense layer that many inputs take in turn.
template <class T>
class Conv2dOp final : public Operation<T> {
  using Gradients = typename Operation<T>::Gradients;

 public:
  Conv2dOp(const UnitOp& op, const Kernels<T>& kernels, const Block& state)
      : Operation<T>(op, kernels, state), windows_(op, op.in.channels), inputs_(op.filters.inputs) {
    Memory& m = this->memory_;
    const int room = padded<T>(inputs_) + kLanes<T>;  // for the spare row
    patch_ = m.allocate<T>(room);
    patch_delta_ = m.allocate<T>(room);
    squares_ = m.allocate<T>(room);
    active_ = m.allocate<int32_t>(room + 32);
    all_ = m.allocate<int32_t>(room + 32);
    for (int i = 0; i < room + 32; ++i) all_[i] = i < inputs_ ? i : spare_row(inputs_);
    for (T** channels : {&out_, &delta_, &sensitivity_}) *channels = m.allocate<T>(op.filters.columns);
    const int image = padded<T>(op.in.size());
    in_delta_ = m.allocate<T>(image);
    in_sensitivity_ = m.allocate<T>(image);
  }

  bool forward(const T* in, T* out, const Pass&) override {
    const Dense& d = this->op_.filters;
    const int count = windows_.count();
    for (int w = 0; w < count; ++w) {
      if (!take(in, w)) return false;
      const T* weights = this->state_.template at<T>(d.weights);
      this->kernels_.forward({weights, (ptrdiff_t)d.row_stride, active_, seen_.active, patch_,
                              weights + inputs_ * d.vector_stride, out_, 0, d.outputs, Level::near, inputs_, 1});
      for (int k = 0; k < d.outputs; ++k) out[k * count + w] = out_[k];
    }
    return this->kernels_.all_finite(out, padded<T>(this->op_.out.size()));
  }

  void back(const T* in, const T*, T* delta, T* sensitivity, bool) override {
    const bool propagates = this->op_.propagates;
    const int size = this->op_.in.size();
    std::fill(in_delta_, in_delta_ + padded<T>(size), T(0));
    std::fill(in_sensitivity_, in_sensitivity_ + padded<T>(size), T(0));
    for (auto& g : this->gradients_) {
      std::fill(g.gradient, g.gradient + g.count, T(0));
      if (sensitivity) std::fill(g.sensitivity, g.sensitivity + g.count, T(0));
    }
    for (int w = 0; w < windows_.count(); ++w) {
      const bool any = channels_of(delta, w, delta_), curved = sensitivity && channels_of(sensitivity, w, sensitivity_);
      if (!any && !curved) continue;  // as behind a maximum of several windows
      take(in, w);
      add(delta_, patch_, &Gradients::gradient);
      if (sensitivity) {
        this->kernels_.multiply(patch_, patch_, squares_, inputs_);
        add(sensitivity_, squares_, &Gradients::sensitivity);
      }
      if (!propagates) continue;
      scatter(delta_, w, false, in_delta_);
      if (sensitivity) scatter(sensitivity_, w, true, in_sensitivity_);
    }
    if (!propagates) return;
    replace(delta, in_delta_, size);
    if (sensitivity) replace(sensitivity, in_sensitivity_, size);
  }

  double stretch(double delta, double* most) const override {
    const Dense& d = this->op_.filters;
    double largest = 0;
    for (const Parameters& p : this->op_.arrays) largest = std::max(largest, (double)this->largest(p));
    *most += largest + delta * windows_.count() * std::max(1.0, largest_input_);
    return delta * largest * d.outputs * this->op_.spec.kernel * this->op_.spec.kernel;
  }

 private:
  // The inputs of a window, and which of them are not 0. False where one is not finite.
  bool take(const T* in, int window) {
    const T* from = in + windows_.first(window);
    for (int i = 0; i < inputs_; ++i) patch_[i] = from[windows_.offsets()[i]];
    const bool finite = this->kernels_.emit[(int)Activation::linear](patch_, patch_, inputs_, active_, &seen_);
    largest_input_ = window ? std::max(largest_input_, (double)seen_.largest) : (double)seen_.largest;
    return finite;
  }
  // What a window's channels have, and whether any has something.
  bool channels_of(const T* of, int window, T* into) const {
    const int count = windows_.count();
    bool any = false;
    for (int k = 0; k < this->op_.filters.outputs; ++k) any |= (into[k] = of[k * count + window]) != T(0);
    return any;
  }
  void add(const T* channels, const T* inputs, T* Gradients::* to) {
    const int columns = this->op_.filters.columns;
    for (int i = 0; i < seen_.active; ++i)
      this->kernels_.accumulate(this->gradients_[0].*to + (size_t)active_[i] * columns, inputs[active_[i]], channels,
                                columns);
    if (this->gradients_.size() > 1) this->kernels_.accumulate(this->gradients_[1].*to, T(1), channels, columns);
  }
  void scatter(const T* channels, int window, bool squared, T* into) {
    const Dense& d = this->op_.filters;
    UpdateArgs<T> a{};
    a.weights = this->state_.template at<T>(d.weights);
    a.row_stride = (ptrdiff_t)d.row_stride;
    a.columns = d.columns;
    a.used = d.outputs;
    a.rows = all_;
    a.row_count = inputs_;
    a.delta = channels;
    a.input_delta = patch_delta_;
    this->kernels_.backward(a, squared);
    T* to = into + windows_.first(window);
    for (int i = 0; i < inputs_; ++i) to[windows_.offsets()[i]] += patch_delta_[i];
  }

  Windows windows_;
  int inputs_;  // of a window
  double largest_input_ = 0;
  Emitted<T> seen_{};
  T *patch_, *patch_delta_, *squares_, *out_, *delta_, *sensitivity_, *in_delta_, *in_sensitivity_;
  int32_t *active_, *all_;
};

// The largest or the mean of every window, channel by channel.
template <class T>
class Pool2dOp final : public Operation<T> {
 public:
  Pool2dOp(const UnitOp& op, const Kernels<T>& kernels, const Block& state)
      : Operation<T>(op, kernels, state),
        windows_(op, 1),
        maximum_(op.spec.kind == LayerSpec::Kind::max_pool2d),
        chosen_(op.out.size()),
        in_delta_(this->memory_.template allocate<T>(padded<T>(op.in.size()))) {}

  bool forward(const T* in, T* out, const Pass&) override {
    const T share = T(1) / (T)windows_.offsets().size();
    visit([&](int unit, int first) {
      int best = first;  // ties go to the first
      T sum(0);
      for (int offset : windows_.offsets()) {
        if (in[first + offset] > in[best]) best = first + offset;
        sum += in[first + offset];
      }
      chosen_[unit] = best;
      out[unit] = maximum_ ? in[best] : sum * share;
    });
    return this->kernels_.all_finite(out, padded<T>(this->op_.out.size()));
  }
  void back(const T*, const T*, T* delta, T* sensitivity, bool) override {
    const T share = T(1) / (T)windows_.offsets().size();
    route(delta, share);
    if (sensitivity) route(sensitivity, share * share);
  }
  // Windows may overlap.
  double stretch(double delta, double*) const override { return delta * (double)windows_.offsets().size(); }
  bool constant() const override { return true; }

 private:
  template <class Visit>
  void visit(const Visit& visit) const {
    const Shape& in = this->op_.in;
    for (int c = 0, unit = 0; c < in.channels; ++c)
      for (int w = 0; w < windows_.count(); ++w, ++unit) visit(unit, c * in.rows * in.columns + windows_.first(w));
  }
  void route(T* delta, T share) {
    const int size = this->op_.in.size();
    std::fill(in_delta_, in_delta_ + padded<T>(size), T(0));
    visit([&](int unit, int first) {
      if (maximum_) in_delta_[chosen_[unit]] += delta[unit];
      else
        for (int offset : windows_.offsets()) in_delta_[first + offset] += delta[unit] * share;
    });
    replace(delta, in_delta_, size);
  }

  Windows windows_;
  bool maximum_;
  std::vector<int> chosen_;
  T* in_delta_;
};

}  // namespace

template <class T>
std::unique_ptr<Operation<T>> make_image_operation(const UnitOp& op, const Kernels<T>& kernels, const Block& state) {
  using Kind = LayerSpec::Kind;
  switch (op.spec.kind) {
    case Kind::conv2d: return std::make_unique<Conv2dOp<T>>(op, kernels, state);
    case Kind::max_pool2d:
    case Kind::avg_pool2d: return std::make_unique<Pool2dOp<T>>(op, kernels, state);
    default: return nullptr;
  }
}

template std::unique_ptr<Operation<float>> make_image_operation(const UnitOp&, const Kernels<float>&, const Block&);
template std::unique_ptr<Operation<double>> make_image_operation(const UnitOp&, const Kernels<double>&, const Block&);

}  // namespace streamdl
