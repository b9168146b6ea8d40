// What an update rule sees of the step it belongs to: the gradient, the decay, the hyper-parameters.
#pragma once

#include "math/elementary.h"
#include "rules/table.h"

STREAMDL_BEGIN

// The gradient of a dense weight at batch size 1: g = x * delta. It is never stored; `descend` folds the
// step size into x, which is the same for a whole row, so that plain SGD costs one fma per weight.
template <class V>
struct OuterProduct {
  V x, delta;
  STREAMDL_HD V value() const { return x * delta; }
  STREAMDL_HD V descend(V w, V step_size) const { return fnma(step_size * x, delta, w); }
};

// A gradient that was summed over a minibatch and lies in memory.
template <class V>
struct Stored {
  V g;
  STREAMDL_HD V value() const { return g; }
  STREAMDL_HD V descend(V w, V step_size) const { return fnma(step_size, g, w); }
};

// Hyper-parameters as lanes, the bias corrections of this weight, what holds it back, and what the weights share.
//
// A quick context takes the increment of a logarithm for small, as it mostly is, and says afterwards where
// that holds; an update has one at most.
template <class V, int kHypers, bool kDecay, bool kQuick>
struct Context {
  using Lane = V;
  static constexpr bool decays = kDecay, held = kDecay;
  V hyper[kHypers];
  V weight_decay, decoupled_weight_decay;
  V pull, anchor;        // L2Init: towards the first value
  V clip;                // |w| is at most this
  V correction[2];       // 1 / (1 - beta^t) with t the number of updates since the weight was drawn
  V growth, step;        // of the logarithm that was taken to be small
  V shared[kMaxShared];  // of the rule's table
  V unit;                // Scope::unit: what became of the sum
  V error;               // descends_output: the target minus the output
  V noise;               // N(0, 1)
  V part[kMaxSums];      // out: what this weight contributes to the sums
  int options[kMaxOptions];

  // g with the L2 terms.
  template <class G>
  STREAMDL_HD V gradient(const G& g, V w) const {
    if constexpr (kDecay) return fma(weight_decay, w, fma(pull, w - anchor, g.value()));
    return g.value();
  }
  // a e^(c y), where c y is a step of ln a and c the same for all weights.
  STREAMDL_HD V grown(V a, V c, V y) {
    if constexpr (!kQuick || !is_single<V>) return STREAMDL_ISA::grown(a, c, y);
    growth = c, step = y;
    return grown_a_little(a, c, y);
  }
  STREAMDL_HD V clipped(V w) const {
    if constexpr (kDecay) return flushed(min(clip, max(-clip, w)));  // in this order NaN stays NaN
    return w;
  }
  // w after the decoupled decay at this step size.
  STREAMDL_HD V decayed(V w, V step_size) const {
    if constexpr (kDecay) return w * fnma(step_size, decoupled_weight_decay, V(1));
    return w;
  }
};

STREAMDL_END
