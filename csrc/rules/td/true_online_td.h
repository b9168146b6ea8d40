// True online TD(lambda): its weights are at every step those of the online lambda-return algorithm.
#pragma once

#include "rules/td/table.h"

STREAMDL_BEGIN

struct TrueOnlineTD {
  static constexpr Description description = {
      "TrueOnlineTD", "True online TD(lambda), with dutch traces.",
      "delta = r + gamma v(x') - v(x);  e = k e + alpha (1 - k e.x) x with k = gamma lambda;  "
      "w += (delta + v(x) - o) e - alpha (v(x) - o) x;  o = v(x') from before the update",
      "van Seijen, Mahmood, Pilarski, Machado and Sutton, 2016",
      "one field, four fused multiply-adds per eligible feature"};
  static constexpr const char* when =
      "Wherever one would take TD with long traces: it follows the forward view exactly, and bears longer steps for "
      "one more dot product.";

  enum { step_size, discount, trace_decay, trace_cutoff };
  static constexpr HyperParameter hypers[] = {
      {"step_size", kRequired, 0.0, kUnbounded, false, true, "alpha", "step size of every weight"},
      kDiscount,
      kTraceDecay,
      {"trace_cutoff", 0.0, 0.0, kUnbounded, false, true, "", "traces below it, in step sizes, are set to 0"},
  };
  static constexpr TDField fields[] = {
      {"trace", kStartsAtZero, true, true, "e: dutch trace, with the step size in it"},
  };
  static constexpr int scalar_count = 1;
  static constexpr TDScalar scalars[] = {{"old_prediction", 0, true, "o: v(x') of the call before"}};
  enum { old };
  static constexpr bool looks_back = true, has_gradient = false;
  static constexpr TDMeasures measures = TDMeasures::before;

  enum { decay, cutoff, rise, along, back, constants };

  template <class T>
  STREAMDL_HD static bool open(TDCall<T>& call, T* c) {
    c[decay] = call.hyper[discount] * call.hyper[trace_decay];
    c[cutoff] = call.hyper[trace_cutoff] * call.hyper[step_size];
    return true;
  }
  template <class V>
  STREAMDL_HD static void measure(V, const V* f, V x, V, const V*, V* sum) {
    sum[0] = fma(f[0], x, sum[0]);
  }
  template <class T>
  STREAMDL_HD static bool close(TDCall<T>& call, T* c) {
    const T alpha = call.hyper[step_size], surprise = call.before - call.scalar[old];
    const T error = fma(call.hyper[discount], call.now, call.reward) - call.before;
    c[rise] = alpha * fnma(c[decay], call.sum[0], T(1));
    c[along] = error + surprise;
    c[back] = alpha * surprise;
    call.scalar[old] = call.now;
    return is_finite(c[rise]) && is_finite(c[along]) && is_finite(c[back]);
  }
  template <class V>
  STREAMDL_HD static auto apply(V& w, V* f, V x, V, const V* c) {
    V& e = f[0];
    e = decayed(e, c[decay], c[cutoff]) + c[rise] * x;
    w = fnma(c[back], x, fma(c[along], e, w)) + V(0);
    return e != V(0);
  }
  template <class V>
  STREAMDL_HD static auto fade(V& w, V* f, const V* c) {
    V& e = f[0];
    e = decayed(e, c[decay], c[cutoff]);
    w = fma(c[along], e, w) + V(0);
    return e != V(0);
  }
};

STREAMDL_END
