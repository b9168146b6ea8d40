// TD(lambda) with accumulating traces.
#pragma once

#include "rules/td/table.h"

STREAMDL_BEGIN

struct TD {
  static constexpr Description description = {
      "TD", "Temporal-difference learning with accumulating traces.",
      "delta = r + gamma v(x') - v(x);  e = gamma lambda e + x;  w += alpha delta e", "Sutton, 1988",
      "one field, two fused multiply-adds per eligible feature"};
  static constexpr const char* when =
      "The baseline of linear prediction, where a step size is known that fits. Keep step_size below 1 / (sum of x^2), "
      "and lower with long traces.";

  enum { step_size, discount, trace_decay, trace_cutoff };
  static constexpr HyperParameter hypers[] = {
      {"step_size", kRequired, 0.0, kUnbounded, false, true, "alpha", "step size of every weight"},
      kDiscount,
      kTraceDecay,
      {"trace_cutoff", 0.0, 0.0, kUnbounded, false, true, "", "traces below it are set to 0"},
  };
  static constexpr TDField fields[] = {
      {"trace", kStartsAtZero, true, true, "e: decaying sum of past inputs"},
  };
  static constexpr int scalar_count = 0;
  static constexpr const TDScalar* scalars = nullptr;
  static constexpr bool looks_back = true, has_gradient = false;
  static constexpr TDMeasures measures = TDMeasures::nothing;

  enum { decay, cutoff, change, constants };

  template <class T>
  STREAMDL_HD static bool open(TDCall<T>& call, T* c) {
    const T error = fma(call.hyper[discount], call.now, call.reward) - call.before;
    c[decay] = call.hyper[discount] * call.hyper[trace_decay];
    c[cutoff] = call.hyper[trace_cutoff];
    c[change] = call.hyper[step_size] * error;
    return is_finite(c[change]);
  }
  template <class T>
  STREAMDL_HD static bool close(TDCall<T>&, T*) {
    return true;
  }
  template <class V>
  STREAMDL_HD static auto apply(V& w, V* f, V x, V, const V* c) {
    V& e = f[0];
    e = decayed(e, c[decay], c[cutoff]) + x;
    w = fma(c[change], e, w) + V(0);
    return e != V(0);
  }
  template <class V>
  STREAMDL_HD static auto fade(V& w, V* f, const V* c) {
    V& e = f[0];
    e = decayed(e, c[decay], c[cutoff]);
    w = fma(c[change], e, w) + V(0);
    return e != V(0);
  }
};

STREAMDL_END
