// AutoTIDBD: TIDBD whose meta step is normalised per weight, and whose step sizes never overshoot.
//
// The division by M concerns every step size, also those of features at rest. It is kept as one factor s common to
// all: a = s times the field, which is folded into the fields when it has become small.
#pragma once

#include "rules/td/table.h"

STREAMDL_BEGIN

struct AutoTIDBD {
  static constexpr Description description = {
      "AutoTIDBD", "TIDBD with a normalised meta step and a bound on the effective step size.",
      "delta = r + gamma v(x') - v(x);  p = x (\"semi\") or x - gamma x' (\"ordinary\");  e = gamma lambda e + x;  "
      "eta = max(|delta p h|, eta + (1/tau) a e p (|delta p h| - eta));  beta += theta delta p h / eta where eta != 0; "
      " "
      "M = max(1, sum of exp(beta) e p);  beta -= ln M;  a = exp(beta);  w += a delta e;  "
      "h = h max(0, 1 - a p e) + a delta e",
      "Kearney, Veeriah, Travnik, Pilarski and Sutton, 2019",
      "four fields, one division and one exponential per eligible feature"};
  static constexpr const char* when =
      "TIDBD where the scale of rewards is unknown or drifts, with a bound that keeps long steps from diverging.";

  enum { step_size, meta_step_size, discount, trace_decay, tau, trace_cutoff };
  static constexpr HyperParameter hypers[] = {
      {"step_size", kRequired, 0.0, kUnbounded, true, true, "exp(beta)", "initial step size of every weight"},
      {"meta_step_size", 0.01, 0.0, kUnbounded, false, true, "theta", "step size of the step sizes' logarithms"},
      kDiscount,
      kTraceDecay,
      {"tau", 1e4, 1.0, kUnbounded, false, true, "tau", "time constant of the normaliser's decay"},
      {"trace_cutoff", 0.0, 0.0, kUnbounded, false, true, "", "traces below it are set to 0"},
  };
  static constexpr TDField fields[] = {
      {"relative_step_size", step_size, false, true, "a / s: this weight's step size"},
      {"normalizer", kStartsAtZero, false, false, "eta: decaying maximum of |delta p h|"},
      {"weight_trace", kStartsAtZero, false, false, "h: decaying trace of recent changes of the weight"},
      {"trace", kStartsAtZero, true, true, "e: decaying sum of past inputs"},
  };
  static constexpr int scalar_count = 1;
  static constexpr TDScalar scalars[] = {{"step_size_scale", 1, false, "s: the factor common to all step sizes"}};
  enum { scale };
  static constexpr bool looks_back = true, has_gradient = true;
  static constexpr TDMeasures measures = TDMeasures::both;

  enum { decay, cutoff, error, meta, beyond, per_tau, scale_before, scale_now, constants };

  template <class T>
  STREAMDL_HD static bool open(TDCall<T>& call, T* c) {
    c[decay] = call.hyper[discount] * call.hyper[trace_decay];
    c[cutoff] = call.hyper[trace_cutoff];
    c[error] = fma(call.hyper[discount], call.now, call.reward) - call.before;
    c[meta] = call.hyper[meta_step_size];
    c[beyond] = call.ordinary ? call.hyper[discount] : T(0);
    c[per_tau] = T(1) / call.hyper[tau];
    c[scale_before] = call.scalar[scale];
    return is_finite(c[error]);
  }
  // e, eta and a / s with the new beta, before the division by M.
  template <class V>
  STREAMDL_HD static void adapt(V& r, V& eta, V h, V& e, V x, V p, const V* c) {
    e = decayed(e, c[decay], c[cutoff]) + x;
    const V push = c[error] * (p * h), size = abs(push);
    eta = flushed(max(size, fma(c[per_tau] * (c[scale_before] * r * (e * p)), size - eta, eta)));
    const V share = select(eta != V(0), push / eta, V(0));
    r = raised(r, c[meta] * share);
  }
  template <class V>
  STREAMDL_HD static void measure(V, const V* f, V x, V next, const V* c, V* sum) {
    V r = f[0], eta = f[1], e = f[3];
    const V p = fnma(c[beyond], next, x);
    adapt(r, eta, f[2], e, x, p, c);
    sum[0] = fma(c[scale_before] * r, e * p, sum[0]);
  }
  template <class T>
  STREAMDL_HD static bool close(TDCall<T>& call, T* c) {
    const T scaled = c[scale_before] / max(call.sum[0], T(1));
    c[scale_now] = call.scalar[scale] = scaled;
    return is_finite(call.sum[0]) && scaled > constant<T>(0x1p-100f, 0x1p-900);
  }
  template <class V>
  STREAMDL_HD static auto apply(V& w, V* f, V x, V next, const V* c) {
    V &r = f[0], &eta = f[1], &h = f[2], &e = f[3];
    const V p = fnma(c[beyond], next, x);
    adapt(r, eta, h, e, x, p, c);
    const V a = c[scale_now] * r, change = a * (c[error] * e);
    w = (w + change) + V(0);
    h = flushed(fma(h, max(V(0), fnma(a, p * e, V(1))), change));
    return e != V(0);
  }
  template <class V>
  STREAMDL_HD static auto fade(V& w, V* f, const V* c) {
    V &r = f[0], &h = f[2], &e = f[3];
    e = decayed(e, c[decay], c[cutoff]);
    const V change = c[scale_now] * r * (c[error] * e);
    w = (w + change) + V(0);
    h = flushed(h + change);
    return e != V(0);
  }
  // Where s has become small it is folded into field 0 of every feature.
  template <class T>
  STREAMDL_HD static bool folds(T s) {
    return s < T(0x1p-20);
  }
};

STREAMDL_END
