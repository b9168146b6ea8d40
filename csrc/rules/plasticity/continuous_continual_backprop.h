// Continuous Continual Backprop: all units move towards their reset, the less useful ones further.
#pragma once

#include "rules/table.h"

STREAMDL_BEGIN

struct ContinuousContinualBackprop : MethodDefaults {
  static constexpr Description description = {
      "ContinuousContinualBackprop",
      "Moves every unit a little towards its reset, the further the less useful it is; biases and the optimizer's "
      "fields "
      "are left alone.",
      "u = decay u + (1 - decay) s, at first u = 1, with s = m / (mean of m over the layer + 1e-8) and m = mean |g| "
      "over "
      "the unit's incoming weights;  every period examples: p = replacement_rate min(1, exp(-sharpness (u - "
      "threshold))), incoming w = (1 - p) w + p w', with w' drawn as at a regeneration, outgoing w = (1 - p) w, u = 1",
      "'Learning continually at peak performance with Continuous Continual Backpropagation', 2025; the authors' "
      "program",
      "O(units); every period examples one more pass and one draw per weight"};
  static constexpr const char* when =
      "Where whole resets cost too much of what a network can do: every unit moves a little, the useful ones hardly.";

  enum { replacement_rate, period, decay, sharpness, threshold };
  static constexpr HyperParameter hypers[] = {
      {"replacement_rate", 0.012, 0, 1, false, false, "", "share of a reset for the least useful units"},
      {"period", 1000, 1, kUnbounded, false, true, "", "examples between two moves", HyperParameter::Kind::whole},
      {"decay", 0.99, 0, 1, false, true, "", "of the utilities"},
      {"sharpness", 16, 0, kUnbounded, false, true, "", "how fast the share falls with the utility"},
      {"threshold", 0.95, 0, kUnbounded, false, true, "", "utility from which on it falls"},
  };
};

STREAMDL_END
