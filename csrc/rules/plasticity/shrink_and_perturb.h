// Shrink & Perturb, at every update.
#pragma once

#include "rules/table.h"

STREAMDL_BEGIN

struct ShrinkAndPerturb : MethodDefaults {
  static constexpr Description description = {
      "ShrinkAndPerturb", "Shrinks all weights and adds noise after every update, biases too.",
      "w = (1 - shrink) w + noise N(0, 1)", "Ash and Adams, 2020; per update: Dohare et al., 2024",
      "one more pass, one normal draw; silent rows are visited"};
  static constexpr const char* when =
      "Weights that grow over a long stream, and units that have become alike: all weights shrink, and noise sets them "
      "apart. Every weight takes a normal draw, which is its cost.";

  enum { shrink, noise };
  static constexpr HyperParameter hypers[] = {
      {"shrink", kRequired, 0, 1, false, false, "1 - lambda", "share of a weight that is lost"},
      {"noise", kRequired, 0, kUnbounded, false, true, "sigma", "standard deviation of what is added"},
  };
};

STREAMDL_END
