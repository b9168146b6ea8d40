// Shrink & Perturb, at every update or now and then.
#pragma once

#include "rules/table.h"

STREAMDL_BEGIN

struct ShrinkAndPerturb : MethodDefaults {
  static constexpr Description description = {
      "ShrinkAndPerturb", "Shrinks all weights and adds noise, after every update or every so often, biases too.",
      "every period examples, with sigma = noise, or noise step_size;  toward zero: w = (1 - shrink) w + sigma N(0, "
      "1);  "
      "initial: w = (1 - shrink) w + shrink w(0) + sigma N(0, 1), with w(0) the weight before the first update;  "
      "fresh: w = (1 - shrink) w + sigma w', with w' drawn as a new learner's weights are;  "
      "of a unit's own parameters, as a norm's, w(0) and w' are what they are born with",
      "Ash and Adams, 2020; Dohare et al., 2024; Elsayed and Mahmood, 2024; Kumar, Marklund and Van Roy, 2023; Lee et "
      "al., 2024",
      "one more pass, with noise one draw; initial: one number per weight; silent rows are visited, or toward zero, "
      "with SGD, wait in a closed form"};
  static constexpr const char* when =
      "Weights that grow over a long stream, and units that have become alike: all weights shrink, and noise sets them "
      "apart. Every weight takes a normal draw, which is its cost. What goes by the name: Ash and Adams, before a new "
      "task: period, shrink = 1 - lambda, noise = sigma. Dohare et al.: shrink = 0, noise = sigma, and the optimizer's "
      "weight_decay = lambda. Elsayed and Mahmood: shrink = 0, noise = sigma, scaled_by_step_size, and the optimizer's "
      "decoupled_weight_decay = lambda. Kumar, Marklund and Van Roy: toward = fresh, shrink = s, noise = c. Lee et "
      "al.: "
      "toward = initial, shrink = lambda (0.8), noise = 0, period; a head alone: reset_outputs.";

  enum { shrink, noise, period };
  static constexpr HyperParameter hypers[] = {
      {"shrink", kRequired, 0, 1, false, false, "1 - lambda", "share of a weight that is lost"},
      {"noise", kRequired, 0, kUnbounded, false, true, "sigma", "standard deviation of what is added"},
      {"period", 1, 1, kUnbounded, false, true, "", "examples between two times", HyperParameter::Kind::whole},
  };
  enum { toward, scaled_by_step_size };
  static constexpr int option_count = 2;
  static constexpr Option options[] = {
      {"toward", "zero initial fresh", 0, "where weights shrink to, and what is added"},
      {"scaled_by_step_size", "False True", 0, "noise is multiplied by the optimizer's step_size"},
  };
};

STREAMDL_END
