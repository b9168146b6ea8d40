// IDBD whose meta-gradient, or gradient, is measured against its own size.
#pragma once

#include "math/elementary.h"
#include "rules/context.h"

STREAMDL_BEGIN

enum class NIDBDMode { meta_gradient, gradient, deviation };  // in the order of the option

template <NIDBDMode kMode>
struct NIDBDRule : RuleDefaults {
  static constexpr bool kGradient = kMode != NIDBDMode::meta_gradient, kDeviation = kMode == NIDBDMode::deviation;
  static constexpr Description description = {
      "NIDBD", "IDBD whose meta step does not depend on the scale of the targets.",
      "normalize=meta_gradient: n = rho n + (1 - rho) (g h)^2;  beta -= theta g h / (sqrt(n) + epsilon);  a = "
      "exp(beta);  w -= a g;  h = h max(0, 1 - a d) - a g;  "
      "normalize=gradient: m = rho m + (1 - rho) g;  n = rho n + (1 - rho) (g - m)^2;  q = (g - m) / (sqrt(n) + "
      "epsilon);  beta -= theta q h;  a = exp(beta);  w -= a g;  h = h max(0, 1 - a d) - a q;  "
      "normalize=deviation: the same with q = g / (sqrt(n) + epsilon), and where a > 1, before w moves, a = 0.98 and "
      "h = 0;  "
      "n is 1 at first, d the sensitivity of the weight as for IDBD",
      "Javed's robust adaptive linear learners: NIDBD3 (rho = 0.99, epsilon = 1e-5), NIDBD2 (rho = 0.9995, epsilon = "
      "1e-4) and IDBDBest (deviation, likewise, behind sdl.nn.InputNorm; where in an update it cuts is our reading); "
      "network form as for IDBD",
      "three or four fields, one exponential, one root and one division; silent rows are visited, "
      "by meta_gradient only their n"};
  static constexpr const char* when =
      "Where IDBD is wanted and the scale of the targets is not known or changes: the meta step size need not be tuned "
      "to it. Autostep is the bounded form of the same wish.";

  enum { step_size, meta_step_size, normalizer_decay, epsilon };
  static constexpr HyperParameter hypers[] = {
      {"step_size", kRequired, 0.0, kUnbounded, true, true, "exp(beta)", "initial step size of every weight"},
      {"meta_step_size", kRequired, 0.0, kUnbounded, false, true, "theta", "step size of the step sizes' logarithms"},
      {"normalizer_decay", 0.9995, 0.0, 1.0, false, true, "rho", "decay of the means"},
      {"epsilon", 1e-4, 0.0, kUnbounded, true, true, "epsilon", "added to the root"},
  };
  enum { normalize };
  static constexpr int option_count = 1;
  static constexpr Option options[] = {
      {"normalize", "meta_gradient gradient deviation", 0, "what is measured against its size"}};
  static constexpr int field_count = kGradient ? 4 : 3;
  static constexpr Field fields[] = {
      {"step_size", step_size, "a = exp(beta): this weight's step size"},
      {"weight_trace", kStartsAtZero, "h: decaying trace of recent changes of the weight"},
      {"normalizer", kStartsAtOne, "n: mean square", true},
      {"mean", kStartsAtZero, "m: decaying mean of g"},
  };
  static constexpr bool uses_sensitivity = true;
  static constexpr bool uses_exponential = true;

  static constexpr bool bounds_growth = false;

  // A step of ln a is below theta / sqrt(1 - rho), whatever the meta-gradient; where n vanishes, that is below 1e-15. So
  // near 1 that floats round 1 - rho by more than a hundredth, epsilon alone tells.
  static bool bound(double* most, double g, const double* hyper)
    requires(!kGradient)
  {
    const double rest = 1 - hyper[normalizer_decay], measured = g * most[2];
    const double least = (float)hyper[epsilon];  // which may be 0
    double step = measured / least;
    if (rest > 1e-5) step = min(step, max(1.01 / sqrt(rest), 1e-15 / least));
    const double increment = hyper[meta_step_size] * step;
    if (!(increment < 0.1)) return false;
    const double a = most[1] * (1 + 2 * increment) * kRounding;
    const double w = (most[0] + a * g) * kRounding, h = (most[2] + a * g) * kRounding;
    const double n = (hyper[normalizer_decay] * most[3] + rest * (measured * measured)) * kRounding;
    if (!(a < kSmall && w < kSmall && h < kSmall && n < kSmall && measured * measured < kSmall)) return false;
    most[0] = w;
    most[1] = a;
    most[2] = h;
    most[3] = n;
    return true;
  }

  static constexpr unsigned fading = kGradient ? 0 : 0b100;

  template <class V, class C>
  STREAMDL_HD static void fade(V* f, const C& c) {
    f[2] = flushed(c.hyper[normalizer_decay] * f[2]);
  }

  static bool serves(const double*, const int* o) { return o[normalize] == (int)kMode; }

  template <class V, class G, class C>
  STREAMDL_HD static void apply(V& w, const G& gradient, V d, V* f, C& c) {
    const V g = c.gradient(gradient, w), rest = V(1) - c.hyper[normalizer_decay];
    V &a = f[0], &h = f[1], &n = f[2];
    auto decayed_mean = [&](V mean, V value) { return flushed(fma(c.hyper[normalizer_decay], mean, rest * value)); };
    V measured = g * h, trace = g;
    if constexpr (kGradient) {
      f[3] = decayed_mean(f[3], g);
      measured = g - f[3];
    }
    n = decayed_mean(n, measured * measured);
    V step = (kDeviation ? g : measured) / (sqrt(n) + c.hyper[epsilon]);
    if constexpr (kGradient) {
      trace = step;
      step = step * h;
    }
    a = c.grown(a, -c.hyper[meta_step_size], step);
    if constexpr (kDeviation) {
      const auto over = a > V(1);
      a = select(over, V((Number<V>)0.98), a);
      h = select(over, V(0), h);
    }
    w = fnma(a, g, c.decayed(w, a));
    h = flushed(fms(h, max(V(0), fnma(a, d, V(1))), a * trace));  // the sign of a zero would hang on kernels' modes
  }
};

using NIDBD = NIDBDRule<NIDBDMode::meta_gradient>;
using NIDBDGradient = NIDBDRule<NIDBDMode::gradient>;
using NIDBDDeviation = NIDBDRule<NIDBDMode::deviation>;

STREAMDL_END
