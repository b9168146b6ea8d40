// Autostep: IDBD whose meta step is normalised, and whose step sizes never overshoot the target.
#pragma once

#include "math/elementary.h"
#include "rules/context.h"

STREAMDL_BEGIN

struct Autostep : RuleDefaults {
  static constexpr Description description = {
      "Autostep", "IDBD with normalised meta-gradients and bounded overshoot: little to tune.",
      "v = max(|g h|, v + (1/tau) a d (|g h| - v));  a *= exp(-mu g h / v);  M = max(1, sum of a d over a unit's "
      "incoming weights);  a /= M;  w -= a g;  h = h (1 - a d) - a g, with d the sensitivity of the weight",
      "Mahmood, Sutton, Degris and Pilarski, 2012; network form: conformance definition",
      "three fields, two passes, one exponential and one division; silent rows rest while no M exceeds 1"};
  static constexpr const char* when =
      "The first of the learned step sizes to try: it does what IDBD does where scales are unknown or drift, as it "
      "normalises its own meta step and cannot overshoot on an example. Its defaults fit many problems.";

  enum { step_size, meta_step_size, tau };
  static constexpr HyperParameter hypers[] = {
      {"step_size", kRequired, 0.0, kUnbounded, true, true, "alpha", "initial step size of every weight"},
      {"meta_step_size", 0.01, 0.0, kUnbounded, false, true, "mu", "step size of the step sizes' logarithms"},
      {"tau", 1e4, 0.0, kUnbounded, true, true, "tau", "time constant, in examples, of the normaliser's decay"},
  };
  static constexpr int field_count = 3;
  static constexpr Field fields[] = {
      {"step_size", step_size, "a: this weight's step size"},
      {"normalizer", kStartsAtZero, "v: running maximum of |g h|"},
      {"weight_trace", kStartsAtZero, "h: decaying trace of recent changes of the weight"},
  };
  static constexpr Sums sums = {1, Scope::unit, true};
  static constexpr unsigned measure_writes = 0b011, apply_writes = 0b101;
  static constexpr bool unit_moves_silent = true;
  static constexpr bool uses_sensitivity = true;
  static constexpr bool silent_rows_rest = true;  // but for the division by M

  template <class V, class G, class C>
  STREAMDL_HD static void measure(V w, const G& gradient, V d, V* f, C& c) {
    V &a = f[0], &v = f[1];
    const V gh = c.gradient(gradient, w) * f[2], m = abs(gh);
    v = max(m, fma(a * d * (V(1) / c.hyper[tau]), m - v, v));
    a = select(v != V(0), a * exp_within(-c.hyper[meta_step_size], gh / v), a);
    c.part[0] = a * d;
  }

  template <class V>
  STREAMDL_HD static V conclude_unit(V sum, const V*) {
    return V(1) / max(sum, V(1));
  }

  template <class V, class G, class C>
  STREAMDL_HD static void apply(V& w, const G& gradient, V d, V* f, const C& c) {
    V &a = f[0], &h = f[2];
    a = a * c.unit;
    const V change = a * c.gradient(gradient, w);
    w = c.decayed(w, a) - change;
    h = fms(h, fnma(a, d, V(1)), change);
  }
};

STREAMDL_END
