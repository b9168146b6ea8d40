// IDBD: incremental delta-bar-delta, one learned step size per weight, also in deep networks.
//
// The paper stores beta = ln(step size). Here the step size itself is stored and multiplied by
// exp(change of beta): the same definition, a cheaper exponential, and less rounding in float32.
#pragma once

#include "rules/context.h"

STREAMDL_BEGIN

struct IDBD : RuleDefaults {
  static constexpr Description description = {
      "IDBD", "Incremental delta-bar-delta: a step size per weight, learned by meta-gradient descent.",
      "beta -= theta g h;  a = exp(beta);  w -= a g;  h = h max(0, 1 - a d) - a g, "
      "with d the sensitivity of the weight (x^2 in a linear network)",
      "Sutton, 1992; network form: conformance definition", "two fields and one exponential; silent rows rest"};
  static constexpr const char* when =
      "Inputs that differ in how much they matter, where nobody knows which do: those that matter get long steps, the "
      "others short ones. Its meta step size depends on the scale of errors and inputs; Autostep takes that dependence "
      "away. Silent rows cost nothing.";

  enum { step_size, meta_step_size };
  static constexpr HyperParameter hypers[] = {
      {"step_size", kRequired, 0.0, kUnbounded, true, true, "exp(beta)", "initial step size of every weight"},
      {"meta_step_size", kRequired, 0.0, kUnbounded, false, true, "theta", "step size of the step sizes' logarithms"},
  };
  static constexpr int field_count = 2;
  static constexpr Field fields[] = {
      {"step_size", step_size, "a = exp(beta): this weight's step size"},
      {"weight_trace", kStartsAtZero, "h: decaying trace of recent changes of the weight"},
  };
  static constexpr bool many_modes = true;
  static constexpr unsigned shown_by_weight = 1;
  static constexpr bool uses_sensitivity = true;
  static constexpr bool uses_exponential = true;
  static constexpr bool silent_rows_rest = true;  // g = 0 and d = 0 leave w, a and h as they are

  static bool bound(double* most, double g, const double* hyper) {
    const double increment = hyper[meta_step_size] * g * most[2] * kRounding;
    if (!(increment < 0x1p-8 && g * most[2] < kSmall)) return false;
    const double a = most[1] * (1 + 2 * increment) * kRounding;
    const double w = (most[0] + a * g) * kRounding, h = (most[2] + a * g) * kRounding;
    if (!(a < kSmall && w < kSmall && h < kSmall)) return false;
    most[0] = w;
    most[1] = a;
    most[2] = h;
    return true;
  }

  template <class V, class G, class C>
  STREAMDL_HD static void apply(V& w, const G& gradient, V d, V* f, C& c) {
    const V g = c.gradient(gradient, w);
    V &a = f[0], &h = f[1];
    a = c.grown(a, -c.hyper[meta_step_size], g * h);
    const V change = a * g;
    w = c.decayed(w, a) - change;
    h = fms(h, max(V(0), fnma(a, d, V(1))), change);
  }
};

STREAMDL_END
