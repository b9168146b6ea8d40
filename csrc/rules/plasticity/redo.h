// ReDo: dormant units are regenerated, every so often.
#pragma once

#include "rules/table.h"

STREAMDL_BEGIN

struct ReDo : MethodDefaults {
  static constexpr Description description = {
      "ReDo", "Regenerates dormant units: those whose mean |h| over a period is a small share of their layer's.",
      "every period examples: s = mean |h| / (mean over the layer of mean |h| + 1e-9);  s <= threshold: regenerated",
      "Sokar, Agarwal, Castro and Evci, 2023", "O(units), and a row and a column per unit reborn"};
  static constexpr const char* when =
      "Units that fall silent and stay so. It looks once per period, and costs next to nothing in between.";

  enum { threshold, period };
  static constexpr HyperParameter hypers[] = {
      {"threshold", 0.025, 0, kUnbounded, false, true, "tau", "score up to which a unit is dormant"},
      {"period", 1000, 1, kUnbounded, false, true, "F", "examples between two looks", HyperParameter::Kind::whole},
  };
  static constexpr bool of_units = true;
};

STREAMDL_END
