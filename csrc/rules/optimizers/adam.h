// Adam. Epsilon is added outside the root of the corrected second moment, as in torch.optim.
#pragma once

#include "math/elementary.h"
#include "rules/context.h"

STREAMDL_BEGIN

struct Adam : RuleDefaults {
  static constexpr Description description = {
      "Adam", "Adaptive moment estimation; the bias correction counts from each weight's own birth.",
      "m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;  "
      "w -= step_size (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)",
      "Kingma and Ba, 2015", "two fields, one root and one division; silent rows are visited"};
  static constexpr const char* when =
      "Gradients that differ widely in size from weight to weight, or a comparison with the habits of batch learning. "
      "On long streams that change it can lose plasticity sooner than SGD; equal betas, or a plasticity method beside "
      "it, help.";

  enum { step_size, beta1, beta2, epsilon };
  static constexpr HyperParameter hypers[] = {
      {"step_size", 1e-3, 0.0, kUnbounded, false, true, "alpha", "step size of every weight"},
      {"beta1", 0.9, 0.0, 1.0, false, true, "beta_1", "decay of the first moment"},
      {"beta2", 0.999, 0.0, 1.0, false, true, "beta_2", "decay of the second moment"},
      {"epsilon", 1e-8, 0.0, kUnbounded, false, true, "epsilon", "added to the root of the second moment"},
  };
  static constexpr int field_count = 2;
  static constexpr Field fields[] = {
      {"first_moment", kStartsAtZero, "m: decaying mean of the gradient"},
      {"second_moment", kStartsAtZero, "v: decaying mean of the squared gradient", true},
  };
  static constexpr bool many_modes = true;
  static constexpr unsigned shown_by_weight = 1;
  static constexpr int clock_count = 2;
  static constexpr int clocks[] = {beta1, beta2};

  static bool bound(double* most, double g, const double* hyper) {
    const double m = (hyper[beta1] * most[1] + (1 - hyper[beta1]) * g) * kRounding;
    const double v = (hyper[beta2] * most[2] + (1 - hyper[beta2]) * (g * g)) * kRounding;
    const double corrected = m / (1 - hyper[beta1]) / (float)hyper[epsilon];  // which may be 0
    const double w = (most[0] + hyper[step_size] * corrected) * kRounding;
    if (!(m < kSmall && v / (1 - hyper[beta2]) < kSmall && corrected < kSmall && w < kSmall)) return false;
    most[0] = w;
    most[1] = m;
    most[2] = v;
    return true;
  }

  template <class V, class G, class C>
  STREAMDL_HD static void apply(V& w, const G& gradient, V, V* f, const C& c) {
    const V g = c.gradient(gradient, w);
    V &m = f[0], &v = f[1];
    m = flushed(fma(c.hyper[beta1], m, (V(1) - c.hyper[beta1]) * g));
    v = flushed(fma(c.hyper[beta2], v, (V(1) - c.hyper[beta2]) * (g * g)));
    const V root = sqrt(v * c.correction[1]) + c.hyper[epsilon];
    w = fnma(c.hyper[step_size], quotient(m * c.correction[0], root), c.decayed(w, c.hyper[step_size]));
  }
};

STREAMDL_END
