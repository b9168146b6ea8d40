// Elastic weight consolidation, streaming: weights with large gradients are important.
#pragma once

#include "rules/optimizers/consolidation.h"

STREAMDL_BEGIN

struct EWC : Consolidation {
  static constexpr Description description = {
      "EWC", "Elastic weight consolidation without tasks: weights whose gradients are large are held near their mean.",
      "m = beta_w m + (1 - beta_w) w;  F = beta_I F + (1 - beta_I) g^2;  Omega = F / (1 - beta_I^t);  "
      "w -= alpha (g + kappa Omega (w - m / (1 - beta_w^t)))",
      "Kirkpatrick et al., 2017; streaming form: Elsayed and Mahmood, 2024", "two fields; silent rows are visited"};
  static constexpr const char* when =
      "Streams whose parts come back: what was learned is held where gradients were large, and other weights stay "
      "free. A baseline; UPGD also keeps them able to learn.";

  static constexpr int field_count = 2;
  static constexpr Field fields[] = {mean_weight, {"importance", kStartsAtZero, "F: decaying mean of g^2"}};

  template <class V, class G, class C>
  STREAMDL_HD static void apply(V& w, const G& gradient, V, V* f, const C& c) {
    const V g = c.gradient(gradient, w);
    descend(w, g, averaged(f[1], g * g, c), f[0], c);
  }
};

STREAMDL_END
