// SwiftTD: true online TD(lambda) with learned step sizes, a bound on the rate of learning, and step-size decay.
//
// Equal to the dense published form. It learns about an input on the call that brings it: what of the update
// belongs to the next call is kept in the two fresh fields, which are 0 for all other features. The paper's delta_w
// and h_old live only within a call, its h_temp is h + g. The step size is stored, not its logarithm.
#pragma once

#include "rules/td/table.h"

STREAMDL_BEGIN

struct SwiftTD {
  static constexpr Description description = {
      "SwiftTD", "True online TD(lambda) with learned step sizes and a bound on the rate of learning.",
      "v = w.x';  delta = r + gamma v - o;  "
      "(1) dw = delta z - d v_d;  w += dw;  beta += theta / exp(beta) (delta - v_d) p, within "
      "[ln min_step_size, ln rate_bound];  h_o = h;  h = h_t + delta z_b - d v_d;  d = 0;  (z, p, z_b) *= gamma "
      "lambda;  "
      "(2) R = sum of exp(beta) x'^2;  T = z.x';  v_d = dw.x';  "
      "(3) d = min(1, rate_bound / R) exp(beta) x';  z += d (1 - T);  p += h_o x';  z_b += d (1 - T - z_b x');  "
      "h_t = h - h_o x' (z - d) - h d x';  if R > rate_bound: h_t = h = z_b = 0, beta += ln(step_size_decay) x'^2;  "
      "o = v",
      "Javed, Sharifnassab and Sutton, 2024 (the authors' dense program)",
      "seven fields, one division and one exponential per eligible feature"};
  static constexpr const char* when =
      "Many features of which few matter, and a stream that never stops: step sizes are learned quickly, and a bound "
      "on the rate of learning makes that safe. The first to try for linear prediction.";

  enum { step_size, meta_step_size, discount, trace_decay, rate_bound, step_size_decay, min_step_size, trace_cutoff };
  static constexpr HyperParameter hypers[] = {
      {"step_size", 1e-2, 0.0, kUnbounded, true, true, "exp(beta)", "initial step size of every weight"},
      {"meta_step_size", 1e-3, 0.0, kUnbounded, false, true, "theta", "step size of the step sizes' logarithms"},
      kDiscount,
      kTraceDecay,
      {"rate_bound", 0.1, 0.0, kUnbounded, true, true, "eta", "bound on R, the share of the error that a step removes"},
      {"step_size_decay", 0.999, 0.0, 1.0, true, false, "epsilon",
       "step sizes shrink by it while R is above its bound"},
      {"min_step_size", 1e-10, 1e-30, kUnbounded, false, true, "eta_min", "least step size"},
      {"trace_cutoff", 0.0, 0.0, kUnbounded, false, true, "", "traces below it, in step sizes, are set to 0"},
  };
  static constexpr TDField fields[] = {
      {"step_size", step_size, false, true, "exp(beta): this weight's step size"},
      {"weight_trace", kStartsAtZero, false, false, "h: sensitivity of the weight to its step size's logarithm"},
      {"trace", kStartsAtZero, true, true, "z: dutch trace, with the step size in it"},
      {"weight_trace_trace", kStartsAtZero, true, true, "z_b: trace of the weight trace"},
      {"prediction_trace", kStartsAtZero, true, true, "p: trace of the prediction's sensitivity"},
      {"fresh_trace", kStartsAtZero, true, true, "d: the trace's part from the last input"},
      {"fresh_weight_trace", kStartsAtZero, true, true, "g: what the last input adds to h, with the next error"},
  };
  static constexpr int fresh = 5;    // these and the following are not 0 only for the features of the last input
  static constexpr int forgets = 1;  // the field that is 0 for all features after a call with R above its bound
  static constexpr int scalar_count = 2;
  static constexpr TDScalar scalars[] = {{"old_prediction", 0, true, "o: v of the call before"},
                                         {"correction", 0, true, "v_d: what the last update added to it"}};
  enum { old, correction };
  static constexpr bool looks_back = false, has_gradient = false;
  static constexpr TDMeasures measures = TDMeasures::now;

  enum { decay, least, cutoff, counts, error, correct, meta, low, high, share, remains, fading, constants };

  template <class T>
  STREAMDL_HD static bool open(TDCall<T>& call, T* c) {
    c[decay] = call.hyper[discount] * call.hyper[trace_decay];
    c[least] = constant<T>(0x1p-126f, 0x1p-1022);
    c[cutoff] = call.hyper[trace_cutoff];
    c[counts] = c[cutoff] > T(0) ? T(0) : constant<T>(0x1p127f, 0x1p1023);
    c[error] = fma(call.hyper[discount], call.now, call.reward) - call.scalar[old];
    c[correct] = call.scalar[correction];
    c[meta] = call.hyper[meta_step_size] * (c[error] - c[correct]);
    c[low] = call.hyper[min_step_size];
    c[high] = call.hyper[rate_bound];
    return is_finite(c[error]) && is_finite(c[meta]);
  }

  // exp(beta) after beta += meta p / exp(beta), within its bounds. In this order NaN becomes a number.
  template <class V>
  STREAMDL_HD static V adapted(V a, V p, const V* c) {
    return min(max(raised(a, c[meta] * (p / a)), c[low]), c[high]);
  }
  // The traces after their decay: 0, all of them, where z and z_b are below the cutoff, in step sizes, or all are
  // below the smallest normal number.
  template <class V>
  STREAMDL_HD static auto decay_traces(V& z, V& zb, V& p, V a, const V* c) {
    z = c[decay] * z;
    zb = c[decay] * zb;
    p = c[decay] * p;
    const auto alive = max(max(abs(z), abs(zb)), min(abs(p), c[counts])) >= max(c[cutoff] * a, c[least]);
    z = select(alive, z, V(0));
    zb = select(alive, zb, V(0));
    p = select(alive, p, V(0));
    return alive;
  }

  // (2), from the state before (1); returns the new step size, to be used again.
  template <class V>
  STREAMDL_HD static V measure(V, const V* f, V, V x, const V* c, V* sum) {
    V z = f[2], zb = f[3], p = f[4];
    const V dw = fnma(c[correct], f[5], c[error] * z), a = adapted(f[0], p, c);
    decay_traces(z, zb, p, a, c);
    sum[0] = fma(a * x, x, sum[0]);
    sum[1] = fma(z, x, sum[1]);
    sum[2] = fma(dw, x, sum[2]);
    return a;
  }
  template <class T>
  STREAMDL_HD static bool close(TDCall<T>& call, T* c) {
    const T rate = call.sum[0];
    c[share] = rate > c[high] ? c[high] / rate : T(1);
    c[remains] = T(1) - call.sum[1];
    c[fading] = log(call.hyper[step_size_decay]);
    call.scalar[old] = call.now;
    call.scalar[correction] = call.sum[2];
    return is_finite(rate) && is_finite(c[remains]) && is_finite(call.sum[2]);
  }
  template <class T>
  STREAMDL_HD static bool is_over(const TDCall<T>& call) {
    return call.sum[0] > call.hyper[rate_bound];
  }

  // (1) for the features of the last input: the parts with d and g.
  template <class V>
  STREAMDL_HD static void leave(V& w, V* f, const V* c) {
    V &h = f[1], &d = f[5], &g = f[6];
    w = fnma(c[correct], d, w) + V(0);
    h = fnma(c[correct], d, h + g) + V(0);
    d = g = V(0);
  }
  // (1) for all, with the new step size.
  template <class V>
  STREAMDL_HD static auto fade(V& w, V* f, V a, const V* c) {
    V &h = f[1], &z = f[2], &zb = f[3], &p = f[4];
    w = fma(c[error], z, w) + V(0);
    h = fma(c[error], zb, h) + V(0);
    f[0] = a;
    return decay_traces(z, zb, p, a, c);
  }
  template <class V>
  STREAMDL_HD static auto fade(V& w, V* f, const V* c) {
    return fade(w, f, adapted(f[0], f[4], c), c);
  }
  // (3) of all features where R is above its bound; what `arrive` would add is forgotten, too.
  template <class V>
  STREAMDL_HD static void forget(V* f) {
    f[1] = f[3] = V(0);
  }
  // (3), with h as it was before (1).
  template <bool kOver, class V>
  STREAMDL_HD static void arrive(V* f, V x, V h_old, const V* c) {
    V &a = f[0], &h = f[1], &z = f[2], &zb = f[3], &p = f[4], &d = f[5], &g = f[6];
    d = flushed(c[share] * a * x);
    z = flushed(fma(d, c[remains], z));
    p = flushed(fma(h_old, x, p));
    if constexpr (kOver) {
      zb = g = V(0);
      a = a * exp(c[fading] * (x * x));
    } else {
      zb = flushed(fma(d, fnma(zb, x, c[remains]), zb));
      g = flushed(-(h_old * x * (z - d) + h * d * x));
    }
  }
};

STREAMDL_END
