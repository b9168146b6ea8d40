// Hare and tortoise: fast weights that learn, slow weights that follow them, and now and then call them back.
#pragma once

#include "rules/table.h"

STREAMDL_BEGIN

struct HareAndTortoise : MethodDefaults {
  static constexpr Description description = {
      "HareAndTortoise",
      "Slow weights follow the ones that learn, which now and then return to them; fields of the optimizer stay.",
      "slow = decay slow + (1 - decay) w after every update, at first slow = w;  every period examples: w = slow",
      "Lee et al., 2024", "one number per weight, one more pass; silent rows are visited"};
  static constexpr const char* when =
      "A network that forgets how to learn while a slow copy of it still generalises: it returns to the copy now and "
      "then. Predict with the slow weights where targets are noisy.";

  enum { period, decay };
  static constexpr HyperParameter hypers[] = {
      {"period", kRequired, 1, kUnbounded, false, true, "", "examples between two returns to the slow weights",
       HyperParameter::Kind::whole},
      {"decay", 0.999, 0, 1, false, true, "rho", "of the slow weights"},
  };
  enum { predict };
  static constexpr int option_count = 1;
  static constexpr Option options[] = {
      {"predict", "fast slow", 0, "the weights that predict and predict_many use; step learns, and reports, with w"},
  };
};

STREAMDL_END
