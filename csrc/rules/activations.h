// Activation functions: the value h(a) and the slope dh/da, over the lane type.
//
// Slopes at exactly 0 are the left ones for relu (0) and leaky_relu (0.01); softplus has no threshold.
#pragma once

#include <type_traits>

#include "math/elementary.h"

STREAMDL_BEGIN

// `keeps_zero`: value(0) is 0, so that padding stays zero by itself.
// `silent_is_flat`: wherever the value is 0 the slope is 0 too, so a silent unit needs no work backward.
// `active_is_steep`: wherever it is not, the slope is 1, so that the other units' delta passes as it is.
struct Linear_ {
  static constexpr bool keeps_zero = true;
  static constexpr bool silent_is_flat = false, active_is_steep = false;
  template <class V> STREAMDL_HD static V value(V a) { return a; }
  template <class V> STREAMDL_HD static V slope(V, V) { return V(1); }
};
struct ReLU {
  static constexpr bool keeps_zero = true;
  static constexpr bool silent_is_flat = true, active_is_steep = true;
  template <class V> STREAMDL_HD static V value(V a) { return max(a, V(0)); }
  template <class V> STREAMDL_HD static V slope(V a, V) { return select(a > V(0), V(1), V(0)); }
};
struct LeakyReLU {
  static constexpr bool keeps_zero = true;
  static constexpr bool silent_is_flat = false, active_is_steep = false;
  template <class V> STREAMDL_HD static V value(V a) { return select(a > V(0), a, a * V((Number<V>)0.01)); }
  template <class V> STREAMDL_HD static V slope(V a, V) { return select(a > V(0), V(1), V((Number<V>)0.01)); }
};
struct ELU {
  static constexpr bool keeps_zero = true;
  static constexpr bool silent_is_flat = false, active_is_steep = false;
  template <class V> STREAMDL_HD static V value(V a) { return select(a > V(0), a, exp(min(a, V(0))) - V(1)); }
  template <class V> STREAMDL_HD static V slope(V a, V) { return select(a > V(0), V(1), exp(min(a, V(0)))); }
};
struct GELU {  // exact: a Phi(a)
  static constexpr bool keeps_zero = true;
  static constexpr bool silent_is_flat = false, active_is_steep = false;
  template <class V> STREAMDL_HD static V cumulative(V a) {
    return V((Number<V>)0.5) * (V(1) + erf(a * V((Number<V>)0.70710678118654752440)));
  }
  template <class V> STREAMDL_HD static V value(V a) { return a * cumulative(a); }
  template <class V> STREAMDL_HD static V slope(V a, V) {
    const V density = exp(a * a * V((Number<V>)-0.5)) * V((Number<V>)0.39894228040143267794);
    return fma(a, density, cumulative(a));
  }
};
struct SiLU {
  static constexpr bool keeps_zero = true;
  static constexpr bool silent_is_flat = false, active_is_steep = false;
  template <class V> STREAMDL_HD static V value(V a) { return a * sigmoid(a); }
  template <class V> STREAMDL_HD static V slope(V a, V) {
    const V s = sigmoid(a);
    return s * fma(a, V(1) - s, V(1));
  }
};
struct Tanh {
  static constexpr bool keeps_zero = true;
  static constexpr bool silent_is_flat = false, active_is_steep = false;
  template <class V> STREAMDL_HD static V value(V a) { return tanh(a); }
  template <class V> STREAMDL_HD static V slope(V, V h) { return fma(-h, h, V(1)); }
};
struct Sigmoid {
  static constexpr bool keeps_zero = false;
  static constexpr bool silent_is_flat = false, active_is_steep = false;
  template <class V> STREAMDL_HD static V value(V a) { return sigmoid(a); }
  template <class V> STREAMDL_HD static V slope(V, V h) { return h * (V(1) - h); }
};
struct Softplus {
  static constexpr bool keeps_zero = false;
  static constexpr bool silent_is_flat = false, active_is_steep = false;
  template <class V> STREAMDL_HD static V value(V a) { return softplus(a); }
  template <class V> STREAMDL_HD static V slope(V a, V) { return sigmoid(a); }
};

struct LTU {  // a linear threshold unit: nothing flows back through it
  static constexpr bool keeps_zero = true;
  static constexpr bool silent_is_flat = true, active_is_steep = false;
  template <class V> STREAMDL_HD static V value(V a) { return select(a > V(0), V(1), V(0)); }
  template <class V> STREAMDL_HD static V slope(V, V) { return V(0); }
};

// The largest slope of each.
template <class A>
constexpr double steepest() {
  if constexpr (std::is_same_v<A, GELU>) return 1.128904145185155;
  else if constexpr (std::is_same_v<A, SiLU>) return 1.0998393201288668;
  else if constexpr (std::is_same_v<A, Sigmoid>) return 0.25;
  else return 1;
}

// The order is the order of `Activation` in kernels/kernels.h. The gain is that of kaiming initialisation.
#define STREAMDL_ACTIVATIONS(X)                         \
  X(Linear_, "linear", 1.0)                             \
  X(ReLU, "relu", 2.0)                                  \
  X(LeakyReLU, "leaky_relu", 2.0 / (1.0 + 0.01 * 0.01)) \
  X(ELU, "elu", 2.0)                                    \
  X(GELU, "gelu", 2.0)                                  \
  X(SiLU, "silu", 2.0)                                  \
  X(Tanh, "tanh", 25.0 / 9.0)                           \
  X(Sigmoid, "sigmoid", 1.0)                            \
  X(Softplus, "softplus", 2.0)                          \
  X(LTU, "ltu", 1.0)

STREAMDL_END
