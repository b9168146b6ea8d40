// Stochastic gradient descent, plain and with momentum.
#pragma once

#include "math/elementary.h"
#include "rules/context.h"

STREAMDL_BEGIN

struct SGD : RuleDefaults {
  static constexpr Description description = {
      "SGD", "Stochastic gradient descent, with optional (Nesterov) momentum.",
      "b = momentum b + g;  w -= step_size b;  nesterov: w -= step_size (g + momentum b)",
      "Robbins and Monro, 1951; Polyak, 1964; Sutskever et al., 2013",
      "no field, one fused multiply-add; with momentum one field, and silent rows are visited"};
  static constexpr const char* when =
      "The plain baseline and the fastest: start here, then see what another rule adds. It needs a step size that fits "
      "the problem; inputs and units that are silent cost nothing. Momentum smooths the gradients, and pays by "
      "visiting every row.";

  enum { step_size, momentum, nesterov };
  static constexpr HyperParameter hypers[] = {
      {"step_size", kRequired, 0.0, kUnbounded, false, true, "alpha", "step size of every weight"},
      {"momentum", 0.0, 0.0, 1.0, false, true, "mu", "share of the last update that is kept"},
      {"nesterov", 0.0, 0.0, 1.0, false, false, "", "look ahead by one momentum step", HyperParameter::Kind::flag},
  };
  static constexpr bool many_modes = true;
  static constexpr bool silent_rows_rest = true;  // x = 0 changes nothing

  static constexpr bool has_closed_form = true;

  static bool serves(const double* hyper, const int*) { return hyper[momentum] == 0; }

  static bool silent(const SilentContext& s, SilentUpdate* u) {
    const double alpha = s.hyper[step_size];
    u->weight_of_weight = 1 - alpha * (s.decoupled_weight_decay + s.weight_decay + s.pull);
    u->weight_of_first = alpha * s.pull;
    return true;
  }

  template <class V, class G, class C>
  STREAMDL_HD static void apply(V& w, const G& g, V, V*, const C& c) {
    if constexpr (C::decays) w = fnma(c.hyper[step_size], c.gradient(g, w), c.decayed(w, c.hyper[step_size]));
    else w = g.descend(w, c.hyper[step_size]);
  }
};

struct SGDMomentum : RuleDefaults {
  static constexpr Description description = SGD::description;
  enum { step_size = SGD::step_size, momentum = SGD::momentum, nesterov = SGD::nesterov };
  static constexpr auto& hypers = SGD::hypers;
  static constexpr int field_count = 1;
  static constexpr Field fields[] = {{"momentum", kStartsAtZero, "b: decaying sum of past gradients"}};
  static constexpr bool many_modes = true;
  static constexpr unsigned shown_by_weight = 1;

  static constexpr bool has_closed_form = true;

  static bool serves(const double* hyper, const int*) { return hyper[momentum] != 0; }

  // g = (lambda + pull) w - pull w(0), and the step goes by g * of_g + b * of_b with b as it was.
  static bool silent(const SilentContext& s, SilentUpdate* u) {
    const double alpha = s.hyper[step_size], mu = s.hyper[momentum], held = s.weight_decay + s.pull;
    const bool ahead = s.hyper[nesterov] > 0;
    const double of_g = ahead ? 1 + mu : 1, of_b = ahead ? mu * mu : mu;
    u->weight_of_weight = 1 - alpha * (s.decoupled_weight_decay + of_g * held);
    u->weight_of_field = -alpha * of_b;
    u->weight_of_first = alpha * of_g * s.pull;
    u->field_of_weight = held;
    u->field_of_field = mu;
    u->field_of_first = -s.pull;
    return true;
  }

  static bool bound(double* most, double g, const double* hyper) {
    const double b = (hyper[momentum] * most[1] + g) * kRounding;
    const double w = (most[0] + hyper[step_size] * (b + g)) * kRounding;
    if (!(b < kSmall && w < kSmall)) return false;
    most[0] = w;
    most[1] = b;
    return true;
  }

  template <class V, class G, class C>
  STREAMDL_HD static void apply(V& w, const G& gradient, V, V* f, const C& c) {
    const V g = c.gradient(gradient, w);
    V& b = f[0];
    b = flushed(fma(c.hyper[momentum], b, g));
    const V direction = select(c.hyper[nesterov] > V(0), fma(c.hyper[momentum], b, g), b);
    w = fnma(c.hyper[step_size], direction, c.decayed(w, c.hyper[step_size]));
  }
};

STREAMDL_END
