// UPGD: useful weights are protected from change, useless ones are perturbed.
#pragma once

#include "math/elementary.h"
#include "rules/context.h"
#include "rules/optimizers/sgd.h"

STREAMDL_BEGIN

template <bool kLocal, bool kAdaptive, bool kNoise>
struct UPGDRule : RuleDefaults {
  static constexpr Description description = {
      "UPGD", "Utility-based perturbed gradient descent: the more useful a weight, the less it changes.",
      "u = beta_u u - (1 - beta_u) g w;  u-hat = u / (1 - beta_u^t);  s = sigmoid(u-hat / G), G the largest u-hat of "
      "the "
      "network, or the norm of a unit's incoming ones;  w -= alpha (g + sigma xi) (1 - s), with xi ~ N(0, 1); "
      "protecting=False: w -= alpha (g + sigma xi (1 - s));  adaptive: Adam's direction in place of g",
      "Elsayed and Mahmood, 2024",
      "one field (adaptive: three), two passes, one sigmoid and, with noise, one normal draw; silent rows are visited, "
      "with neither noise nor adaptive only their u"};
  static constexpr const char* when =
      "Sequences of tasks where what is useful must be kept while the rest stays able to learn: useful weights are "
      "held, useless ones are moved by the gradient and by noise. noise=0 spares the draw, which is two thirds of the "
      "cost.";

  enum { step_size, utility_decay, noise, corrected_max, protecting, beta1, beta2, epsilon };
  static constexpr HyperParameter hypers[] = {
      {"step_size", 0.01, 0.0, kUnbounded, false, true, "alpha", "step size of a weight without utility, twice"},
      {"utility_decay", 0.999, 0.0, 1.0, false, true, "beta_u", "decay of the utilities"},
      {"noise", 0.001, 0.0, kUnbounded, false, true, "sigma", "deviation of what is added to the gradient"},
      {"corrected_max", 1.0, 0.0, 1.0, false, false, "", "G from corrected utilities, as in the paper, not in its code",
       HyperParameter::Kind::flag},
      {"protecting", 1.0, 0.0, 1.0, false, false, "", "1 - s multiplies the gradient, too", HyperParameter::Kind::flag},
      {"beta1", 0.9, 0.0, 1.0, false, true, "beta_1", "adaptive: decay of the first moment"},
      {"beta2", 0.999, 0.0, 1.0, false, true, "beta_2", "adaptive: decay of the second moment"},
      {"epsilon", 1e-8, 0.0, kUnbounded, false, true, "epsilon", "adaptive: added to the root"},
  };
  enum { scope, adaptive };
  static constexpr int option_count = 2;
  static constexpr Option options[] = {
      {"scope", "global local", 0, "utilities are compared over the network, or among a unit's incoming weights"},
      {"adaptive", "False True", 0, "follow Adam's direction"},
  };
  static constexpr int field_count = kAdaptive ? 3 : 1;
  static constexpr Field fields[] = {
      {"utility", kStartsAtZero, "u: decaying mean of -g w"},
      {"first_moment", kStartsAtZero, "m: decaying mean of the gradient"},
      {"second_moment", kStartsAtZero, "v: decaying mean of the squared gradient"},
  };
  static constexpr int clock_count = kAdaptive ? 2 : 0;
  static constexpr int clocks[] = {beta1, beta2};
  enum { correction, largest, scale };
  static constexpr int shared_count = kLocal ? 1 : 3;
  static constexpr Shared shared[] = {
      {"correction", kStartsAtOne, "1 / (1 - beta_u^t)"},
      {"largest_utility", kStartsAtZero, "G"},
      {"utility_scale", kStartsAtZero, "what u is multiplied by before the sigmoid"},
  };
  static constexpr Sums sums = {1, kLocal ? Scope::unit : Scope::network, true, !kLocal, kLocal};
  static constexpr unsigned apply_writes = 0;
  static constexpr bool uses_noise = kNoise;

  static bool serves(const double* hyper, const int* o) {
    return o[scope] == kLocal && o[adaptive] == kAdaptive && (hyper[noise] != 0) == kNoise;
  }

  static constexpr unsigned fading = kAdaptive || kNoise ? 0 : 1;

  template <class V, class C>
  STREAMDL_HD static void fade(V* f, C& c) {
    V& u = f[0];
    u = flushed(c.hyper[utility_decay] * u);
    c.part[0] = kLocal ? u * u : u;
  }

  static void begin(double* shared, const double* hyper, double t) {
    shared[correction] = 1 / (1 - power(hyper[utility_decay], t));
  }

  // Of the weight alone: the fields are written, and looked at, by `measure`.
  static bool bound(double* most, double g, const double* hyper)
    requires(!kAdaptive)
  {
    constexpr double kLargestNormal = 6;
    const double w = (most[0] + hyper[step_size] * (g + hyper[noise] * kLargestNormal)) * kRounding;
    if (!(w < kSmall)) return false;
    most[0] = w;
    return true;
  }

  template <class V, class G, class C>
  STREAMDL_HD static void measure(V w, const G& gradient, V, V* f, C& c) {
    const V g = c.gradient(gradient, w);
    V& u = f[0];
    u = flushed(fnma(V(1) - c.hyper[utility_decay], g * w, c.hyper[utility_decay] * u));
    c.part[0] = kLocal ? u * u : u;
    if constexpr (kAdaptive) {
      f[1] = flushed(fma(c.hyper[beta1], f[1], (V(1) - c.hyper[beta1]) * g));
      f[2] = flushed(fma(c.hyper[beta2], f[2], (V(1) - c.hyper[beta2]) * (g * g)));
    }
  }

  // Without any utility everything moves alike.
  static void conclude(const Conclusion& c) {
    c.shared[largest] = c.sum[0] * (c.hyper[corrected_max] != 0 ? c.shared[correction] : 1);
    const double inverse = c.shared[largest] != 0 ? c.shared[correction] / c.shared[largest] : 0;
    c.shared[scale] = max(min(inverse, kSmall), -kSmall);
  }

  template <class V>
  STREAMDL_HD static V conclude_unit(V squares, const V* shared) {
    return shared[correction] / max(shared[correction] * sqrt(squares), V((Number<V>)1e-12));
  }

  template <class V, class G, class C>
  STREAMDL_HD static void apply(V& w, const G& gradient, V, V* f, const C& c) {
    V g(0);
    if constexpr (kAdaptive) g = (f[1] * c.correction[0]) / (sqrt(f[2] * c.correction[1]) + c.hyper[epsilon]);
    else g = c.gradient(gradient, w);
    const V open = V(1) / (V(1) + exp(f[0] * (kLocal ? c.unit : c.shared[scale])));  // 1 - s
    V change = select(c.hyper[protecting] > V(0), g * open, g);
    if constexpr (kNoise) change = fma(c.hyper[noise] * c.noise, open, change);
    w = fnma(c.hyper[step_size], change, c.decayed(w, c.hyper[step_size]));
  }
};

using UPGD = UPGDRule<false, false, false>;
using UPGDNoisy = UPGDRule<false, false, true>;
using UPGDLocal = UPGDRule<true, false, false>;
using UPGDLocalNoisy = UPGDRule<true, false, true>;
using UPGDAdaptive = UPGDRule<false, true, false>;
using UPGDAdaptiveNoisy = UPGDRule<false, true, true>;
using UPGDAdaptiveLocal = UPGDRule<true, true, false>;
using UPGDAdaptiveLocalNoisy = UPGDRule<true, true, true>;

// Perturbed gradient descent.
struct PGD : RuleDefaults {
  static constexpr Description description = {
      "PGD", "Gradient descent with noise added to every gradient, the ones of silent weights included.",
      "w -= alpha (g + sigma xi), with xi ~ N(0, 1)", "Elsayed and Mahmood, 2024",
      "no field, one normal draw; silent rows are visited"};
  static constexpr const char* when =
      "A control for UPGD: noise alone keeps weights moving, but protects none. It costs more than SGD, as every "
      "weight takes a draw.";

  enum { step_size, noise };
  static constexpr HyperParameter hypers[] = {
      {"step_size", kRequired, 0.0, kUnbounded, false, true, "alpha", "step size of every weight"},
      {"noise", kRequired, 0.0, kUnbounded, false, true, "sigma", "deviation of what is added to the gradient"},
  };
  static constexpr bool uses_noise = true;
  static constexpr bool has_closed_form = true;

  static bool silent(const SilentContext& s, SilentUpdate* u) {
    u->noise = s.hyper[step_size] * s.hyper[noise];
    return SGD::silent(s, u);
  }
  // The rule that is left where the noise of a weight is drawn later, and its hyper-parameters.
  using WithoutNoise = SGD;
  static void without_noise(const double* hyper, double* of_sgd) {
    of_sgd[SGD::step_size] = hyper[step_size];
    of_sgd[SGD::momentum] = of_sgd[SGD::nesterov] = 0;
  }

  template <class V, class G, class C>
  STREAMDL_HD static void apply(V& w, const G& gradient, V, V*, const C& c) {
    const V g = fma(c.hyper[noise], c.noise, c.gradient(gradient, w));
    w = fnma(c.hyper[step_size], g, c.decayed(w, c.hyper[step_size]));
  }
};

STREAMDL_END
