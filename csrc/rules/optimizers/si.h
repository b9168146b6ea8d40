// Synaptic intelligence, streaming: weights whose changes lowered the loss are important.
#pragma once

#include "rules/optimizers/consolidation.h"

STREAMDL_BEGIN

struct SI : Consolidation {
  static constexpr Description description = {
      "SI", "Synaptic intelligence without tasks: weights whose changes lowered the loss are held near their mean.",
      "m as EWC;  c = (w before the last update) - w;  G = beta_I G + (1 - beta_I) g c;  D = beta_I D + (1 - beta_I) "
      "c;  "
      "Omega = G-hat / (D-hat^2 + epsilon), both corrected by 1 / (1 - beta_I^t);  "
      "w -= alpha (g + kappa Omega (w - m / (1 - beta_w^t)))",
      "Zenke, Poole and Ganguli, 2017; streaming form: Elsayed and Mahmood, 2024",
      "four fields, one division; silent rows are visited"};
  static constexpr const char* when =
      "As EWC, where what counts is which changes lowered the loss. Importance may be negative, and the pull then a "
      "push; a small strength is safer.";

  static constexpr auto& hypers = quotient_hypers;
  static constexpr int field_count = 4;
  static constexpr Field fields[] = {
      mean_weight,
      weight_before,
      {"gain", kStartsAtZero, "G: decaying mean of g c"},
      {"change", kStartsAtZero, "D: decaying mean of c"},
  };

  template <class V, class G, class C>
  STREAMDL_HD static void apply(V& w, const G& gradient, V, V* f, const C& c) {
    const V g = c.gradient(gradient, w), change = f[1] - w;
    f[1] = w;
    const V gain = averaged(f[2], g * change, c), moved = averaged(f[3], change, c);
    descend(w, g, gain / fma(moved, moved, c.hyper[epsilon]), f[0], c);
  }
};

STREAMDL_END
