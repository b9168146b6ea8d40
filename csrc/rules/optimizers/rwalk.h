// Riemannian walk, streaming: EWC's importance, and how much each change of a weight lowered the loss for its size.
#pragma once

#include "rules/optimizers/consolidation.h"

STREAMDL_BEGIN

struct RWalk : Consolidation {
  static constexpr Description description = {
      "RWalk", "Riemannian walk without tasks: EWC, where weights whose changes lowered the loss count more.",
      "m as EWC;  c = (w before the last update) - w;  r = (r + max(0, g c / (F c^2 / 2 + epsilon))) / 2;  "
      "F = beta_I F + (1 - beta_I) g^2;  Omega = F / (1 - beta_I^t) + r;  "
      "w -= alpha (g + kappa Omega (w - m / (1 - beta_w^t)))",
      "Chaudhry et al., 2018; streaming form: Elsayed and Mahmood, 2024 (whose program squares w and keeps no r)",
      "four fields, one division; silent rows are visited"};
  static constexpr const char* when =
      "As EWC, where weights whose changes lowered the loss are to count more. The most fields of the four.";

  static constexpr auto& hypers = quotient_hypers;
  static constexpr int field_count = 4;
  static constexpr Field fields[] = {
      mean_weight,
      weight_before,
      {"importance", kStartsAtZero, "F: decaying mean of g^2"},
      {"score", kStartsAtZero, "r: recent mean of the loss lowered, for the size of the change"},
  };

  template <class V, class G, class C>
  STREAMDL_HD static void apply(V& w, const G& gradient, V, V* f, const C& c) {
    const V g = c.gradient(gradient, w), change = f[1] - w;
    f[1] = w;
    const V half((Number<V>)0.5);
    const V score = g * change / fma(half * f[2], change * change, c.hyper[epsilon]);
    f[3] = flushed(half * (f[3] + max(V(0), score)));
    descend(w, g, averaged(f[2], g * g, c) + f[3], f[0], c);
  }
};

STREAMDL_END
