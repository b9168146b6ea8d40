// Memory-aware synapses, streaming: weights that the outputs react to are important.
#pragma once

#include "rules/optimizers/consolidation.h"

STREAMDL_BEGIN

struct MAS : Consolidation {
  static constexpr Description description = {
      "MAS", "Memory-aware synapses without tasks: weights that the outputs react to are held near their mean.",
      "m as EWC;  O = beta_I O + (1 - beta_I) |d (sum of squared outputs) / d w|;  Omega = O / (1 - beta_I^t);  "
      "w -= alpha (g + kappa Omega (w - m / (1 - beta_w^t)))",
      "Aljundi et al., 2018; streaming form: Elsayed and Mahmood, 2024 (whose program takes |g| in place of the slope)",
      "two fields, and one more pass back that reads; silent rows are visited"};
  static constexpr const char* when =
      "As EWC, where importance is to come from the outputs and not from the labels: noisy targets do not count as "
      "important. It costs one more pass back.";

  static constexpr int field_count = 2;
  static constexpr Field fields[] = {mean_weight, {"importance", kStartsAtZero, "O: decaying mean of the slope"}};
  static constexpr bool uses_output_slope = true;

  template <class V, class G, class C>
  STREAMDL_HD static void apply(V& w, const G& gradient, V d, V* f, const C& c) {
    descend(w, c.gradient(gradient, w), averaged(f[1], d, c), f[0], c);
  }
};

STREAMDL_END
