// The instantaneous utilities of Continual Backprop (Dohare et al., 2024), over the lane type.
//
// O = mean |outgoing weights|, I = mean |incoming weights|, m = |h| or |h - f/c|: the magnitude of the
// activation, for some kinds measured from its bias-corrected running mean f/c.
#pragma once

#include "math/number.h"

STREAMDL_BEGIN

struct Contribution {
  static constexpr bool centred = false, outgoing = true, incoming = false, activation = true;
  template <class V> STREAMDL_HD static V value(V O, V, V m) { return O * m; }
};
struct Weight {
  static constexpr bool centred = false, outgoing = true, incoming = false, activation = false;
  template <class V> STREAMDL_HD static V value(V O, V, V) { return O; }
};
struct Adaptation {
  static constexpr bool centred = false, outgoing = false, incoming = true, activation = false;
  template <class V> STREAMDL_HD static V value(V, V I, V) { return V(1) / I; }
};
struct ZeroContribution {
  static constexpr bool centred = true, outgoing = true, incoming = false, activation = true;
  template <class V> STREAMDL_HD static V value(V O, V, V m) { return O * m; }
};
struct AdaptableContribution {
  static constexpr bool centred = true, outgoing = true, incoming = true, activation = true;
  template <class V> STREAMDL_HD static V value(V O, V I, V m) { return O * m / I; }
};
struct FeatureByInput {
  static constexpr bool centred = true, outgoing = false, incoming = true, activation = true;
  template <class V> STREAMDL_HD static V value(V, V I, V m) { return m / I; }
};

// The order is the order of `Utility` in kernels/kernels.h.
#define STREAMDL_UTILITIES(X)                        \
  X(Contribution, "contribution")                    \
  X(Weight, "weight")                                \
  X(Adaptation, "adaptation")                        \
  X(ZeroContribution, "zero_contribution")           \
  X(AdaptableContribution, "adaptable_contribution") \
  X(FeatureByInput, "feature_by_input")

STREAMDL_END
