// L2Init: regularisation towards the first weights.
#pragma once

#include "rules/table.h"

STREAMDL_BEGIN

struct L2Init : MethodDefaults {
  static constexpr Description description = {
      "L2Init", "Pulls weights and biases back to where they were at the first step; layer norms are left alone.",
      "g += strength (w - w0)", "Kumar, Marklund and Van Roy, 2023",
      "one number per weight that is read, one fused multiply-add; silent rows are visited"};
  static constexpr const char* when =
      "A mild remedy that replaces no units: weights stay near where learning was easy. Not for solutions that lie far "
      "from the first weights.";

  enum { strength };
  static constexpr HyperParameter hypers[] = {
      {"strength", kRequired, 0, kUnbounded, false, true, "lambda", "of the pull"},
  };
};

STREAMDL_END
