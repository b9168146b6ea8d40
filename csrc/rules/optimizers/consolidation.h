// What EWC, MAS, SI and RWalk share: important weights are held near their recent mean.
//
// The published rules consolidate at the end of a task. In a stream without tasks the mean of the weights stands in
// for their values after the last task, and the importance is a decaying mean, too (Elsayed and Mahmood, 2024).
#pragma once

#include "math/elementary.h"
#include "rules/context.h"

STREAMDL_BEGIN

struct Consolidation : RuleDefaults {
  enum { step_size, strength, average_decay, importance_decay, epsilon };
  static constexpr HyperParameter hypers[] = {
      {"step_size", kRequired, 0.0, kUnbounded, false, true, "alpha", "step size of every weight"},
      {"strength", kRequired, 0.0, kUnbounded, false, true, "kappa", "of the pull towards the mean"},
      {"average_decay", 0.999, 0.0, 1.0, false, true, "beta_w", "decay of the mean of the weight"},
      {"importance_decay", 0.999, 0.0, 1.0, false, true, "beta_I", "decay of the importance"},
  };
  static constexpr HyperParameter quotient_hypers[] = {
      hypers[0],
      hypers[1],
      hypers[2],
      hypers[3],
      {"epsilon", 1e-3, 0.0, kUnbounded, true, true, "epsilon", "added to what the importance is divided by"},
  };
  static constexpr Field mean_weight = {"mean", kStartsAtZero, "m: decaying mean of the weight"};
  static constexpr Field weight_before = {"before", kStartsAtWeight, "the weight before the last update"};
  static constexpr int clock_count = 2;
  static constexpr int clocks[] = {average_decay, importance_decay};

  template <class V>
  STREAMDL_HD static V decayed_mean(V mean, V value, V decay) {
    return flushed(fma(decay, mean, (V(1) - decay) * value));
  }

  // Brings a field of the importance up to date; its mean without the weight of its start at 0.
  template <class V, class C>
  STREAMDL_HD static V averaged(V& field, V value, const C& c) {
    field = decayed_mean(field, value, c.hyper[importance_decay]);
    return field * c.correction[1];
  }

  template <class V, class C>
  STREAMDL_HD static void descend(V& w, V g, V omega, V& m, const C& c) {
    m = decayed_mean(m, w, c.hyper[average_decay]);
    const V pull = c.hyper[strength] * omega * fnma(m, c.correction[0], w);
    w = fnma(c.hyper[step_size], g + pull, c.decayed(w, c.hyper[step_size]));
  }
};

STREAMDL_END
