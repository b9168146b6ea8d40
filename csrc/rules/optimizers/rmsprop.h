// RMSprop. Epsilon is added outside the root, and nothing is corrected for its start at 0, as in torch.optim.
#pragma once

#include "math/elementary.h"
#include "rules/context.h"

STREAMDL_BEGIN

struct RMSprop : RuleDefaults {
  static constexpr Description description = {
      "RMSprop", "Divides the gradient by the root of its recent mean square.",
      "v = decay v + (1 - decay) g^2;  w -= step_size g / (sqrt(v) + epsilon)", "Tieleman and Hinton, 2012",
      "one field, one root and one division; of silent rows the field alone is visited"};
  static constexpr const char* when =
      "Adam without a memory of directions: one field less, and quicker to turn when the stream does.";

  enum { step_size, decay, epsilon };
  static constexpr HyperParameter hypers[] = {
      {"step_size", 1e-2, 0.0, kUnbounded, false, true, "alpha", "step size of every weight"},
      {"decay", 0.99, 0.0, 1.0, false, true, "rho", "decay of the mean square"},
      {"epsilon", 1e-8, 0.0, kUnbounded, false, true, "epsilon", "added to the root of the mean square"},
  };
  static constexpr int field_count = 1;
  static constexpr Field fields[] = {
      {"mean_square", kStartsAtZero, "v: decaying mean of the squared gradient", true},
  };
  static constexpr bool many_modes = true;

  static constexpr unsigned fading = 1;

  template <class V, class C>
  STREAMDL_HD static void fade(V* f, const C& c) {
    f[0] = flushed(c.hyper[decay] * f[0]);
  }

  static constexpr bool has_closed_form = true;

  // Not where the weight itself adds to its gradient, nor where 0 may be divided by 0.
  static bool silent(const SilentContext& s, SilentUpdate* u) {
    u->weight_of_weight = 1 - s.hyper[step_size] * s.decoupled_weight_decay;
    u->field_of_field = s.hyper[decay];
    return s.weight_decay + s.pull == 0 && (float)s.hyper[epsilon] > 0;
  }

  static bool bound(double* most, double g, const double* hyper) {
    const double v = (hyper[decay] * most[1] + (1 - hyper[decay]) * (g * g)) * kRounding;
    const double divided = g / (float)hyper[epsilon];  // which may be 0
    const double w = (most[0] + hyper[step_size] * divided) * kRounding;
    if (!(v < kSmall && divided < kSmall && w < kSmall)) return false;
    most[0] = w;
    most[1] = v;
    return true;
  }

  template <class V, class G, class C>
  STREAMDL_HD static void apply(V& w, const G& gradient, V, V* f, const C& c) {
    const V g = c.gradient(gradient, w);
    V& v = f[0];
    v = flushed(fma(c.hyper[decay], v, (V(1) - c.hyper[decay]) * (g * g)));
    w = fnma(c.hyper[step_size], quotient(g, sqrt(v) + c.hyper[epsilon]), c.decayed(w, c.hyper[step_size]));
  }
};

STREAMDL_END
