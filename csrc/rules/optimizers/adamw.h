// AdamW: Adam whose weights decay by themselves, not through the gradient.
#pragma once

#include "rules/optimizers/adam.h"

STREAMDL_BEGIN

struct AdamW : Adam {
  using Kernel = Adam;
  static constexpr Description description = {
      "AdamW",
      "Adam with decoupled weight decay; the bias correction counts from each weight's own birth.",
      "w *= 1 - step_size decoupled_weight_decay;  then Adam",
      "Loshchilov and Hutter, 2019",
      "as Adam; silent rows are visited",
      "AdamW decays weights past the gradient: use decoupled_weight_decay, or Adam(weight_decay=...)"};
  static constexpr const char* when =
      "As Adam, where weights should stay small, too: the decay goes past the moments, so that it is the same for all "
      "weights.";
  static constexpr double decoupled_weight_decay = 1e-2;
};

STREAMDL_END
