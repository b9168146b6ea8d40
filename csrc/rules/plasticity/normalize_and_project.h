// Normalize and project: layers keep the norm that their weights had at first.
#pragma once

#include "rules/table.h"

STREAMDL_BEGIN

struct NormalizeAndProject : MethodDefaults {
  static constexpr Description description = {
      "NormalizeAndProject",
      "Scales the weights of each layer back to their norm before the first update; biases and layer norms are left "
      "alone. Meant for networks with layer norms, where the norm of the weights scales nothing but the step size.",
      "every period examples, for the weights W of each layer: W = W |W(0)| / |W|, by the Frobenius norm; W stays "
      "where "
      "a norm is 0",
      "Lyle et al., 2024: 'Normalization and effective learning rates in reinforcement learning'",
      "two more passes; silent rows are visited"};
  static constexpr const char* when =
      "Weights that grow under layer norms: their growth makes steps smaller and smaller. The norm of each layer stays "
      "what it was.";

  enum { period };
  static constexpr HyperParameter hypers[] = {
      {"period", 1, 1, kUnbounded, false, true, "", "examples between two projections", HyperParameter::Kind::whole},
  };
};

STREAMDL_END
