// IDBD under one total rate, which is learned, too: the share of the error that an update removes.
#pragma once

#include "math/elementary.h"
#include "rules/context.h"

STREAMDL_BEGIN

struct SigIDBD : RuleDefaults {
  static constexpr Description description = {
      "SigIDBD", "IDBD that removes a learned share of the error with every update; for one output and squared error.",
      "beta -= theta g h;  a = exp(beta);  z -= theta_z sum of g k;  mu = sigmoid(z);  S = sum of a d over the "
      "network;  "
      "r = mu a / (S + epsilon);  w -= r g;  h = h (1 - r d) - r g;  k = k (1 - r d) - (1 - mu) r g, "
      "with d the sensitivity of the weight as for IDBD",
      "Javed's robust adaptive linear learners; of the traces h and k we know that they are, their formulas, epsilon "
      "and the form for networks are our reading",
      "three fields, two passes and one exponential; silent rows rest"};
  static constexpr const char* when =
      "Where inputs differ in size from example to example: as with Intentional, it is said which share of an error a "
      "step removes, not how long it is, and that share and what each weight contributes to it are learned.";

  enum { step_size, meta_step_size, rate, rate_meta_step_size, epsilon };
  static constexpr HyperParameter hypers[] = {
      {"step_size", 1.0, 0.0, kUnbounded, true, true, "exp(beta)", "initial a; beside epsilon alone it matters"},
      {"meta_step_size", kRequired, 0.0, kUnbounded, false, true, "theta", "step size of the logarithms of a"},
      {"rate", 0.1, 0.0, 1.0, true, true, "mu", "initial share of the error that an update removes"},
      {"rate_meta_step_size", 1e-3, 0.0, kUnbounded, false, true, "theta_z", "step size of z"},
      {"epsilon", 1e-8, 0.0, kUnbounded, true, true, "epsilon", "added to S"},
  };
  static constexpr int field_count = 3;
  static constexpr Field fields[] = {
      {"step_size", step_size, "a = exp(beta): this weight's step size, before the factor mu / S"},
      {"weight_trace", kStartsAtZero, "h: decaying trace of recent changes of the weight"},
      {"rate_trace", kStartsAtZero, "k: decaying trace of what z changed in the weight"},
  };
  enum { share, scale, rest };
  static constexpr int shared_count = 3;
  static constexpr Shared shared[] = {
      {"rate", rate, "mu: the share of the error that an update removes"},
      {"scale", kStartsAtZero, "mu / (S + epsilon) of the last update"},
      {"rest", kStartsAtZero, "1 - mu"},
  };
  static constexpr Sums sums = {2, Scope::network, true};
  static constexpr unsigned measure_writes = 0b001, apply_writes = 0b110;
  static constexpr bool uses_sensitivity = true;
  static constexpr bool silent_rows_rest = true;
  static constexpr bool one_output = true;

  template <class V, class G, class C>
  STREAMDL_HD static void measure(V w, const G& gradient, V d, V* f, C& c) {
    V& a = f[0];
    const V g = c.gradient(gradient, w);
    a = grown(a, -c.hyper[meta_step_size], g * f[1]);
    c.part[0] = a * d;
    c.part[1] = g * f[2];
  }

  // sigmoid(z - s) from mu = sigmoid(z) alone; z stays where 1 - mu is still a number.
  static void conclude(const Conclusion& c) {
    double& mu = c.shared[share];
    const double odds = mu * exp(-c.hyper[rate_meta_step_size] * c.sum[1]);
    mu = min(odds / (odds + (1 - mu)), 1 - 0x1p-40);
    c.shared[scale] = min(mu / (c.sum[0] + c.hyper[epsilon]), kSmall);
    c.shared[rest] = 1 - mu;
  }

  template <class V, class G, class C>
  STREAMDL_HD static void apply(V& w, const G& gradient, V d, V* f, const C& c) {
    V &h = f[1], &k = f[2];
    const V r = c.shared[scale] * f[0], change = r * c.gradient(gradient, w), kept = fnma(r, d, V(1));
    w = c.decayed(w, r) - change;
    h = fms(h, kept, change);
    k = fms(k, kept, c.shared[rest] * change);
  }
};

STREAMDL_END
