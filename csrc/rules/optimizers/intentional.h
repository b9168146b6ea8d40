// Intentional updates: a step is as long as it takes to remove a chosen fraction of the error.
#pragma once

#include "math/elementary.h"
#include "rules/context.h"

STREAMDL_BEGIN

struct Intentional : RuleDefaults {
  static constexpr Description description = {
      "Intentional", "Each update is meant to remove a fraction of the error; for one output and squared error.",
      "v = beta2 v + (1 - beta2) q^2;  r = sqrt(v / (1 - beta2^t)) + 1e-8;  e = k e + q with k = gamma lambda;  "
      "N = sum of q^2 / r, Z = sum of e^2 / r over the network;  s += (1 - k)(N - s);  "
      "a = eta / max(sqrt(s / (1 - k^t) Z), 1e-8);  w -= a D e / r, with D the clipped error y - output",
      "Sharifnassab, Elsayed, Mahmood and Sutton, 2026",
      "two fields, two passes, two roots and three divisions; silent rows are visited"};
  static constexpr const char* when =
      "Where it is easier to say which share of an error one step should remove than to guess a step size: eta means "
      "the same on every problem.";

  enum { fraction, discount, trace_decay, beta2, clip, clip_decay, norm_decay, normalize_td_error };
  static constexpr HyperParameter hypers[] = {
      {"fraction", 0.5, 0.0, kUnbounded, false, true, "eta", "share of the error that an update is meant to remove"},
      {"discount", 0.99, 0.0, 1.0, false, false, "gamma", "discount of the prediction"},
      {"trace_decay", 0.8, 0.0, 1.0, false, false, "lambda", "decay of the traces, beside the discount"},
      {"beta2", 0.999, 0.0, 1.0, false, true, "beta_2", "decay of the mean squared gradient"},
      {"clip", 20.0, 0.0, kUnbounded, true, true, "", "the error is cut to so many times its root mean square"},
      {"clip_decay", 0.9998, 0.0, 1.0, false, true, "", "decay of the mean squared error"},
      {"norm_decay", 0.9998, 0.0, 1.0, false, true, "", "decay of the mean absolute error"},
      {"normalize_td_error", 0.0, 0.0, 1.0, false, false, "", "divide the error by its mean size, as for policies",
       HyperParameter::Kind::flag},
  };
  static constexpr bool takes_decays = false;
  static constexpr int field_count = 2;
  static constexpr Field fields[] = {
      {"trace", kStartsAtZero, "e: decaying sum of gradients of the output"},
      {"second_moment", kStartsAtZero, "v: decaying mean of the squared gradient"},
  };
  enum { step_size, error, sensitivity, squared_error, absolute_error, correction };
  static constexpr int shared_count = 6;
  static constexpr Shared shared[] = {
      {"step_size", kStartsAtZero, "a: the step size of the last update, before the division by r"},
      {"error", kStartsAtZero, "D: the error as it was used"},
      {"sensitivity", kStartsAtZero, "s: decaying mean of N"},
      {"squared_error", kStartsAtOne, "decaying mean of the squared error"},
      {"absolute_error", kStartsAtZero, "decaying mean of the absolute error"},
      {"correction", kStartsAtOne, "1 / (1 - beta2^t)"},
  };
  static constexpr Sums sums = {2, Scope::network, true};
  static constexpr unsigned apply_writes = 0;
  static constexpr bool descends_output = true;

  static void begin(double* shared, const double* hyper, double t) {
    shared[correction] = 1 / (1 - power(hyper[beta2], t));
  }

  template <class V, class C>
  STREAMDL_HD static V divisor(V v, const C& c) {
    return sqrt(v * c.shared[correction]) + V((Number<V>)1e-8);
  }

  template <class V, class G, class C>
  STREAMDL_HD static void measure(V, const G& gradient, V, V* f, C& c) {
    V &e = f[0], &v = f[1];
    const V q = gradient.value();
    v = flushed(fma(c.hyper[beta2], v, (V(1) - c.hyper[beta2]) * (q * q)));
    e = flushed(fma(c.hyper[discount] * c.hyper[trace_decay], e, q));
    const V inverse = quotient(V(1), divisor(v, c));
    c.part[0] = q * q * inverse;
    c.part[1] = e * e * inverse;
  }

  static void conclude(const Conclusion& c) {
    const double k = c.hyper[discount] * c.hyper[trace_decay];
    double &s = c.shared[sensitivity], &squared = c.shared[squared_error], &mean = c.shared[absolute_error];
    s += (1 - k) * (c.sum[0] - s);
    c.shared[step_size] = c.hyper[fraction] / max(sqrt(s / (1 - power(k, c.t)) * c.sum[1]), 1e-8);
    squared = c.hyper[clip_decay] * squared + (1 - c.hyper[clip_decay]) * (c.error * c.error);
    const double most = c.hyper[clip] * sqrt(squared / (1 - power(c.hyper[clip_decay], c.t)));
    double d = max(min(c.error, most), -most);
    if (c.hyper[normalize_td_error] != 0) {
      mean = c.hyper[norm_decay] * mean + (1 - c.hyper[norm_decay]) * abs(d);
      d /= max(mean / (1 - power(c.hyper[norm_decay], c.t)), 1e-12);
    }
    c.shared[error] = d;
  }

  template <class V, class G, class C>
  STREAMDL_HD static void apply(V& w, const G&, V, V* f, const C& c) {
    w = fnma(c.shared[step_size] * c.shared[error], quotient(f[0], divisor(f[1], c)), w);
  }
};

STREAMDL_END
