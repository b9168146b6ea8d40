// A dense ReLU network learning one example at a time with Eigen, as its users write it.
//
// Compiled with -DSIZES=20,20,1 -DCROSS_ENTROPY=0 -DSKIP_ZEROS=0. Small layers have sizes known to
// the compiler; a layer beyond 64 x 64 lies on the heap. With SKIP_ZEROS, silent units' rows of
// outgoing weights are left alone, forward and back.

#include <Eigen/Dense>
#include <cmath>
#include <memory>

namespace {

template <int Rows, int Columns>
using Matrix = Eigen::Matrix<float, (Rows * Columns > 4096 ? Eigen::Dynamic : Rows),
                             (Rows * Columns > 4096 ? Eigen::Dynamic : Columns),
                             (Columns == 1 ? Eigen::ColMajor : Eigen::RowMajor)>;
template <int Rows>
using Vector = Eigen::Matrix<float, Rows, 1>;

// One layer and all behind it. `learn` returns the loss and leaves dL/dx in `below`.
template <int In, int Out, int... Rest>
struct Layers {
  static constexpr bool kLast = sizeof...(Rest) == 0;
#if SKIP_ZEROS
  Matrix<In, Out> w{In, Out};  // row j: the outgoing weights of unit j
#else
  Matrix<Out, In> w{Out, In};
#endif
  Vector<Out> b, z, h, delta;
  struct Nothing {};
  template <bool Last, int... Sizes>
  struct Next {
    using Type = Nothing;
  };
  template <int... Sizes>
  struct Next<false, Sizes...> {
    using Type = Layers<Out, Sizes...>;
  };
  typename Next<kLast, Rest...>::Type rest;

  void load(const float* const* weights, const float* const* biases) {
    Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> from(*weights, In, Out);
#if SKIP_ZEROS
    w = from;
#else
    w = from.transpose();
#endif
    b = Eigen::Map<const Vector<Out>>(*biases);
    if constexpr (!kLast) rest.load(weights + 1, biases + 1);
  }

  template <class X>
  float learn(const X& x, const float* target, int label, float step_size, float* below) {
#if SKIP_ZEROS
    z = b;
    for (int j = 0; j < In; ++j) {
      if (x[j] != 0.0f) z.noalias() += x[j] * w.row(j).transpose();
    }
#else
    z.noalias() = w * x;
    z += b;
#endif
    float loss;
    if constexpr (kLast) {
#if CROSS_ENTROPY
      const float top = z.maxCoeff();
      delta = (z.array() - top).exp();
      const float total = delta.sum();
      loss = std::log(total) - (z[label] - top);
      delta /= total;
      delta[label] -= 1.0f;
#else
      delta = z - Eigen::Map<const Vector<Out>>(target);
      loss = 0.5f * delta.squaredNorm();
#endif
    } else {
      h = z.cwiseMax(0.0f);
      loss = rest.learn(h, target, label, step_size, delta.data());
      delta = (z.array() > 0.0f).select(delta, 0.0f);
    }
#if SKIP_ZEROS
    for (int j = 0; j < In; ++j) {
      if (x[j] == 0.0f) {
        if (below) below[j] = 0.0f;
        continue;
      }
      if (below) below[j] = w.row(j).dot(delta);
      w.row(j).noalias() -= (step_size * x[j]) * delta.transpose();
    }
#else
    if (below) Eigen::Map<Vector<In>>(below).noalias() = w.transpose() * delta;
    w.noalias() -= (step_size * delta) * x.transpose();
#endif
    b -= step_size * delta;
    return loss;
  }
};

using Network = Layers<SIZES>;
constexpr int kSizes[] = {SIZES};
constexpr int kInputs = kSizes[0], kOutputs = kSizes[sizeof(kSizes) / sizeof(int) - 1];

}  // namespace

extern "C" {

void* create(const float* const* weights, const float* const* biases) {
  auto network = std::make_unique<Network>();
  network->load(weights, biases);
  return network.release();
}

void destroy(void* network) { delete static_cast<Network*>(network); }

// Learns from `count` examples in order; losses: (count,), each from before its update.
void learn(void* network, const float* xs, const float* ys, const long* labels, long count, float step_size,
           float* losses) {
  auto& net = *static_cast<Network*>(network);
  for (long i = 0; i < count; ++i) {
    const Eigen::Map<const Vector<kInputs>> x(xs + i * kInputs);
    losses[i] =
        net.learn(x, ys ? ys + i * kOutputs : nullptr, labels ? static_cast<int>(labels[i]) : 0, step_size, nullptr);
  }
}
}
