// Selective weight reinitialization: the least useful weights of every layer are drawn anew.
#pragma once

#include "rules/table.h"

STREAMDL_BEGIN

struct SelectiveWeightReinit : MethodDefaults {
  static constexpr Description description = {
      "SelectiveWeightReinit",
      "Draws the least useful weights of every layer anew; biases, layer norms and the optimizer's fields are left "
      "alone.",
      "u = decay u + (1 - decay) y, with y = |w| or |w g| and w after the update;  every period examples, of the N "
      "weights of a layer: proportional: those of the fraction N least u go, what is left of the number waits; "
      "threshold: those with u <= fraction (mean of u);  where any went, every u of the layer starts again at 0",
      "Hernandez-Garcia, Dohare, Luo and Sutton, 2025",
      "one number per weight; every period examples two passes, and a draw per weight that goes; with decay one more "
      "pass per update; silent rows are visited"};
  static constexpr const char* when =
      "Small networks, and ones with layer norms, where whole units are too much to give up: single weights are drawn "
      "anew. The magnitude needs no pass between two looks; the gradient needs a decay, since most weights have none "
      "on any one example.";

  enum { fraction, period, decay };
  static constexpr HyperParameter hypers[] = {
      {"fraction", kRequired, 0, 1, false, false, "", "of the weights; threshold: of the mean utility"},
      {"period", 1, 1, kUnbounded, false, true, "", "examples between two looks", HyperParameter::Kind::whole},
      {"decay", 0, 0, 1, false, true, "", "of the utility"},
  };
  enum { utility, pruning, reinit };
  static constexpr int option_count = 3;
  static constexpr Option options[] = {
      {"utility", "magnitude gradient", 0, "y: |w|, or |w g|"},
      {"pruning", "proportional threshold", 0, "which weights go"},
      {"reinit", "draw zero", 0, "drawn as a new learner's weights are, or 0"},
  };
};

STREAMDL_END
