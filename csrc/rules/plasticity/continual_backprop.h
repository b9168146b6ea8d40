// Continual Backprop (Dohare et al., 2024): its table, and its instantaneous utilities over the lane type.
//
// O = mean |outgoing weights|, I = mean |incoming weights|, m = |h| or |h - f/c|: the magnitude of the
// activation, for some kinds measured from its bias-corrected running mean f/c.
#pragma once

#include "math/number.h"
#include "rules/table.h"

STREAMDL_BEGIN

struct ContinualBackprop : MethodDefaults {
  static constexpr Description description = {
      "ContinualBackprop", "Regenerates the least useful mature units, a few at a time.",
      "u = decay u + (1 - decay) y;  the lowest u / (1 - decay^age) of the mature units first: incoming weights drawn "
      "anew, outgoing weights 0",
      "Dohare, Hernandez-Garcia, Lan, Rahman, Mahmood and Sutton, 2024",
      "O(units), and a row and a column per unit reborn"};
  static constexpr const char* when =
      "The first to try against loss of plasticity on long streams: a few units at a time are born anew, where they "
      "are missed least. A unit should live long enough to become useful, so large networks take small rates: 1e-4 for "
      "hundreds of units, 1e-6 for thousands.";

  enum { replacement_rate, maturity, decay, max_per_step };
  static constexpr HyperParameter hypers[] = {
      {"replacement_rate", 1e-4, 0, 1, false, false, "rho", "fraction of the mature units reborn per step"},
      {"maturity", 100, 0, kUnbounded, false, true, "m", "steps before a unit may be reborn"},
      {"decay", 0.99, 0, 1, false, true, "eta", "decay of the utilities"},
      {"max_per_step", 0, 1, kUnbounded, false, true, "", "at most so many units of a layer per step, the others wait",
       HyperParameter::Kind::whole},
  };
  enum { utility, transfer_bias };
  static constexpr int option_count = 2;
  static constexpr Option options[] = {
      {"utility", "contribution weight adaptation zero_contribution adaptable_contribution feature_by_input", 0,
       "y: what a unit is worth on one example"},
      {"transfer_bias", "False True", 0, "hand the unit's mean output to the next layer's bias"},
  };
  static constexpr bool of_units = true;
};

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
