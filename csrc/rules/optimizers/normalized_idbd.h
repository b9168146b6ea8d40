// IDBD whose step sizes are divided by what they would overshoot by, as Autostep's are.
#pragma once

#include "math/elementary.h"
#include "rules/context.h"

STREAMDL_BEGIN

struct NormalizedIDBD : RuleDefaults {
  static constexpr Description description = {
      "NormalizedIDBD", "IDBD whose step sizes never overshoot the target.",
      "beta -= theta g h;  a = exp(beta);  M = max(1, sum of a d over a unit's incoming weights);  a /= M;  w -= a g;  "
      "h = h (1 - a d) - a g, with d the sensitivity of the weight as for IDBD",
      "Javed's robust adaptive linear learners, behind sdl.nn.InputNorm; that the divided step sizes are kept, as in "
      "Autostep, is our reading; network form as for Autostep",
      "two fields, two passes and one exponential; silent rows rest while no M exceeds 1"};
  static constexpr const char* when =
      "IDBD where a rare large input would make it diverge: the bound of Autostep with IDBD's own meta step, which "
      "still depends on the scale of errors and inputs. Behind sdl.nn.InputNorm the inputs are of one scale.";

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
  static constexpr Sums sums = {1, Scope::unit, true};
  static constexpr unsigned measure_writes = 0b01, apply_writes = 0b11;
  static constexpr bool unit_moves_silent = true;
  static constexpr bool uses_sensitivity = true;
  static constexpr bool silent_rows_rest = true;  // but for the division by M

  template <class V, class G, class C>
  STREAMDL_HD static void measure(V w, const G& gradient, V d, V* f, C& c) {
    V& a = f[0];
    a = grown(a, -c.hyper[meta_step_size], c.gradient(gradient, w) * f[1]);
    c.part[0] = a * d;
  }

  template <class V>
  STREAMDL_HD static V conclude_unit(V sum, const V*) {
    return V(1) / max(sum, V(1));
  }

  template <class V, class G, class C>
  STREAMDL_HD static void apply(V& w, const G& gradient, V d, V* f, const C& c) {
    V &a = f[0], &h = f[1];
    a = a * c.unit;
    const V change = a * c.gradient(gradient, w);
    w = c.decayed(w, a) - change;
    h = fms(h, fnma(a, d, V(1)), change);
  }
};

STREAMDL_END
