// Weight clipping, in the pass that updates.
#pragma once

#include "rules/table.h"

STREAMDL_BEGIN

struct WeightClipping : MethodDefaults {
  static constexpr Description description = {
      "WeightClipping", "Keeps the weights and biases of every layer within a bound; layer norms are left alone.",
      "w = min(max(w, -b), b) with b = bound / sqrt(fan in)", "Elsayed, Lan, Lyle and Mahmood, 2024",
      "two comparisons; a pass of its own where a method before it in the list changes weights"};
  static constexpr const char* when =
      "Weights that grow without bound: the cheapest remedy, safe beside every optimizer. Bounds of one to three times "
      "the first weights' range are usual.";

  enum { bound };
  static constexpr HyperParameter hypers[] = {
      {"bound", kRequired, 0, kUnbounded, true, true, "kappa", "of a weight times the root of the layer's fan in"},
  };
};

STREAMDL_END
