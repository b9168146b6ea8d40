// Imprinting: a pattern that surprised becomes a unit that knows it.
#pragma once

#include "rules/table.h"

STREAMDL_BEGIN

struct Imprinting : MethodDefaults {
  static constexpr Description description = {
      "Imprinting",
      "Turns the least useful mature unit of the last hidden layer into one that knows a surprising input.",
      "e: sum of |target - output|, e-bar = decay e-bar + (1 - decay) e;  e > surprise e-bar: with probability p, if "
      "more "
      "than half of the units are mature, the mature unit of least |outgoing weights| gets, for each input with "
      "probability join, w = 1 if x > 0 else -1, bias -fraction (number of ones), outgoing weights step_size (target - "
      "output)",
      "Javed, 2025 (real-time networks), as published in code",
      "O(units) per example, and a row and a column per unit imprinted"};
  static constexpr const char* when =
      "Patterns that are rare and matter, seen once: a unit of the last hidden layer is made to know a surprising "
      "input "
      "at once, where gradients would take many examples. Made for threshold units over binary inputs.";

  enum { step_size, surprise, decay, probability, join, fraction, maturity };
  static constexpr HyperParameter hypers[] = {
      {"step_size", 0.1, 0.0, kUnbounded, false, true, "", "share of the error that a new unit takes over"},
      {"surprise", 2.0, 0.0, kUnbounded, false, true, "", "errors above so many times their mean are surprising"},
      {"decay", 0.999, 0.0, 1.0, false, true, "", "decay of the mean error"},
      {"probability", 0.99, 0.0, 1.0, false, false, "p", "of imprinting a surprising input"},
      {"join", 0.3, 0.0, 1.0, false, false, "", "probability that a new unit sees an input"},
      {"fraction", 0.5, 0.0, kUnbounded, false, true, "", "share of the ones above which the unit fires"},
      {"maturity", 5000, 0, kUnbounded, false, true, "", "steps before a unit may be replaced"},
  };
  enum { pattern };
  static constexpr int option_count = 1;
  static constexpr Option options[] = {
      {"pattern", "input random", 0,
       "random: bits by lot and outgoing weights 0, the control of the published program"},
  };
  static constexpr bool of_units = true;
};

STREAMDL_END
