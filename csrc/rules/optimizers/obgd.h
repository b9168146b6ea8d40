// ObGD: gradient descent along traces, by a step that is bounded so that it cannot overshoot; and with
// second moments.
#pragma once

#include "math/elementary.h"
#include "rules/context.h"

STREAMDL_BEGIN

struct ObGD : RuleDefaults {
  static constexpr Description description = {
      "ObGD",
      "Overshooting-bounded gradient descent along eligibility traces; for one output and squared error.",
      "e = gamma lambda e + q with q = -d output / d w;  bound = max(|D|, 1) kappa alpha sum of |e| over the network;  "
      "a = alpha / max(bound, 1);  w -= a D e, with D = y - output",
      "Elsayed, Vasan and Mahmood, 2024",
      "one field, two passes; silent rows are visited",
      "its traces hold gradients of the output, not of a loss: use decoupled_weight_decay"};
  static constexpr const char* when =
      "Temporal differences and policies in networks, one sample at a time: the bound keeps a single surprising error "
      "from undoing what was learned. Raise kappa where learning is unstable.";

  enum { step_size, discount, trace_decay, kappa };
  static constexpr HyperParameter hypers[] = {
      {"step_size", 1.0, 0.0, kUnbounded, false, true, "alpha", "step size where the bound is not active"},
      {"discount", 0.99, 0.0, 1.0, false, false, "gamma", "discount of the prediction"},
      {"trace_decay", 0.8, 0.0, 1.0, false, false, "lambda", "decay of the traces, beside the discount"},
      {"kappa", 2.0, 0.0, kUnbounded, false, true, "kappa", "how far below overshooting the step stays"},
  };
  static constexpr int field_count = 1;
  static constexpr Field fields[] = {{"trace", kStartsAtZero, "e: decaying sum of gradients of the output"}};
  static constexpr int shared_count = 1;
  static constexpr Shared shared[] = {{"bounded_step_size", kStartsAtZero, "a: the step size of the last update"}};
  static constexpr Sums sums = {1, Scope::network, true};
  static constexpr unsigned apply_writes = 0;
  static constexpr bool descends_output = true;
  static constexpr bool has_closed_form = true;

  // The sum of a silent row's traces shrinks as each of them does.
  static bool silent(const SilentContext& s, SilentUpdate* u) {
    const double fades = s.hyper[discount] * s.hyper[trace_decay];
    u->field_of_field = fades;
    if (s.cancelled) return true;
    u->weight_of_weight = 1 - s.hyper[step_size] * s.decoupled_weight_decay;
    u->weight_of_field = -s.shared[0] * s.error * fades;
    return true;
  }

  template <class V, class C>
  STREAMDL_HD static V traced(V e, V q, const C& c) {
    return flushed(fma(c.hyper[discount] * c.hyper[trace_decay], e, q));
  }

  template <class V, class G, class C>
  STREAMDL_HD static void measure(V, const G& gradient, V, V* f, C& c) {
    f[0] = traced(f[0], gradient.value(), c);
    c.part[0] = abs(f[0]);
  }

  static void conclude(const Conclusion& c) {
    const double step = c.hyper[step_size];
    const double bound = max(abs(c.error), 1.0) * c.sum[0] * step * c.hyper[kappa];
    c.shared[0] = bound > 1 ? step / bound : step;
  }

  template <class V, class G, class C>
  STREAMDL_HD static void apply(V& w, const G&, V, V* f, const C& c) {
    w = fnma(c.shared[0] * c.error, f[0], c.decayed(w, c.hyper[step_size]));
  }
};

struct AdaptiveObGD : ObGD {
  static constexpr Description description = {
      "AdaptiveObGD",
      "ObGD whose traces are divided by the root of the mean square of each weight's update.",
      "e as ObGD;  v = beta2 v + (1 - beta2) (D e)^2;  r = sqrt(v / (1 - beta2^t) + epsilon);  "
      "a as ObGD with the sum of |e| / r;  w -= a D e / r",
      "Elsayed, Vasan and Mahmood, 2024",
      "two fields, two passes, two roots and divisions; silent rows are visited",
      ObGD::description.no_weight_decay};
  static constexpr const char* when = "ObGD where gradients differ widely in size from weight to weight.";
  static constexpr bool has_closed_form = false;  // each update divides by another root

  enum { beta2 = kappa + 1, epsilon };
  static constexpr HyperParameter hypers[] = {
      ObGD::hypers[0],
      ObGD::hypers[1],
      ObGD::hypers[2],
      ObGD::hypers[3],
      {"beta2", 0.999, 0.0, 1.0, false, true, "beta_2", "decay of the second moment"},
      {"epsilon", 1e-8, 0.0, kUnbounded, true, true, "epsilon", "added to the second moment under the root"},
  };
  static constexpr int field_count = 2;
  static constexpr Field fields[] = {ObGD::fields[0], {"second_moment", kStartsAtZero, "v: mean square of D e"}};
  static constexpr int shared_count = 2;
  static constexpr Shared shared[] = {ObGD::shared[0], {"correction", kStartsAtOne, "1 / (1 - beta2^t)"}};

  // t: the number of this update.
  static void begin(double* shared, const double* hyper, double t) { shared[1] = 1 / (1 - power(hyper[beta2], t)); }

  template <class V, class C>
  STREAMDL_HD static V divided(const V* f, const C& c) {
    return quotient(f[0], sqrt(fma(f[1], c.shared[1], c.hyper[epsilon])));
  }

  template <class V, class G, class C>
  STREAMDL_HD static void measure(V, const G& gradient, V, V* f, C& c) {
    f[0] = traced(f[0], gradient.value(), c);
    const V change = c.error * f[0];
    f[1] = flushed(fma(c.hyper[beta2], f[1], (V(1) - c.hyper[beta2]) * (change * change)));
    c.part[0] = abs(divided(f, c));
  }

  template <class V, class G, class C>
  STREAMDL_HD static void apply(V& w, const G&, V, V* f, const C& c) {
    w = fnma(c.shared[0] * c.error, divided(f, c), c.decayed(w, c.hyper[step_size]));
  }
};

STREAMDL_END
