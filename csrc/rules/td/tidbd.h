// TIDBD: incremental delta-bar-delta for temporal-difference learning, one learned step size per weight.
//
// As in IDBD the step size itself is stored, and multiplied by exp(change of beta). The published program follows
// the gradient of the whole TD error ("ordinary"), the paper's first form that of v(x) alone ("semi").
#pragma once

#include "rules/td/table.h"

STREAMDL_BEGIN

struct TIDBD {
  static constexpr Description description = {
      "TIDBD", "TD(lambda) with a step size per weight, learned by meta-gradient descent.",
      "delta = r + gamma v(x') - v(x);  p = x (\"semi\") or x - gamma x' (\"ordinary\");  e = gamma lambda e + x;  "
      "beta += theta delta p h;  a = exp(beta);  w += a delta e;  h = h max(0, 1 - a p e) + a delta e",
      "Kearney, Veeriah, Travnik, Sutton and Pilarski, 2018", "three fields and one exponential per eligible feature"};
  static constexpr const char* when =
      "Features that differ in how much they tell, where one step size serves none of them well. The meta step size "
      "depends on the scale of the rewards; AutoTIDBD takes that dependence away.";

  enum { step_size, meta_step_size, discount, trace_decay, trace_cutoff };
  static constexpr HyperParameter hypers[] = {
      {"step_size", kRequired, 0.0, kUnbounded, true, true, "exp(beta)", "initial step size of every weight"},
      {"meta_step_size", kRequired, 0.0, kUnbounded, false, true, "theta", "step size of the step sizes' logarithms"},
      kDiscount,
      kTraceDecay,
      {"trace_cutoff", 0.0, 0.0, kUnbounded, false, true, "", "traces below it are set to 0"},
  };
  static constexpr TDField fields[] = {
      {"step_size", step_size, false, true, "a = exp(beta): this weight's step size"},
      {"weight_trace", kStartsAtZero, false, false, "h: decaying trace of recent changes of the weight"},
      {"trace", kStartsAtZero, true, true, "e: decaying sum of past inputs"},
  };
  static constexpr int scalar_count = 0;
  static constexpr const TDScalar* scalars = nullptr;
  static constexpr bool looks_back = true, has_gradient = true;
  static constexpr TDMeasures measures = TDMeasures::nothing;

  enum { decay, cutoff, error, meta, beyond, constants };

  template <class T>
  STREAMDL_HD static bool open(TDCall<T>& call, T* c) {
    c[decay] = call.hyper[discount] * call.hyper[trace_decay];
    c[cutoff] = call.hyper[trace_cutoff];
    c[error] = fma(call.hyper[discount], call.now, call.reward) - call.before;
    c[meta] = call.hyper[meta_step_size] * c[error];
    c[beyond] = call.ordinary ? call.hyper[discount] : T(0);
    return is_finite(c[error]) && is_finite(c[meta]);
  }
  template <class T>
  STREAMDL_HD static bool close(TDCall<T>&, T*) {
    return true;
  }
  template <class V>
  STREAMDL_HD static auto apply(V& w, V* f, V x, V next, const V* c) {
    V &a = f[0], &h = f[1], &e = f[2];
    const V p = fnma(c[beyond], next, x);
    e = decayed(e, c[decay], c[cutoff]) + x;
    a = raised(a, c[meta] * (p * h));
    const V change = a * (c[error] * e);
    w = (w + change) + V(0);
    h = flushed(fma(h, max(V(0), fnma(a, p * e, V(1))), change));
    return e != V(0);
  }
  template <class V>
  STREAMDL_HD static auto fade(V& w, V* f, const V* c) {
    V &a = f[0], &h = f[1], &e = f[2];
    e = decayed(e, c[decay], c[cutoff]);
    const V change = a * (c[error] * e);
    w = (w + change) + V(0);
    h = flushed(h + change);
    return e != V(0);
  }
};

STREAMDL_END
