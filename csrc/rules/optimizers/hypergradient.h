// Hypergradient descent: the step size follows the product of successive gradients.
#pragma once

#include "math/elementary.h"
#include "rules/context.h"

STREAMDL_BEGIN

// What the four kinds have in common: over SGD (with momentum) or Adam, with one step size or one per weight.
struct HypergradientDefaults : RuleDefaults {
  static constexpr Description description = {
      "HypergradientDescent", "A step size that follows the product of this gradient and the last step's direction.",
      "a += meta_step_size sum over all weights of g u (per_weight: g u of each);  "
      "u = momentum u + g, or Adam's m-hat / (sqrt(v-hat) + epsilon);  w -= a u",
      "Baydin, Cornish, Martinez Rubio, Schmidt and Wood, 2018",
      "one field and two passes (per weight: two fields and one pass); base adam: two more, one root and one division; "
      "silent rows are visited, of base sgd without momentum only their u"};
  static constexpr const char* when =
      "A single step size that should find its own value, at little cost. The meta step size depends on the scale of "
      "the loss: search it over orders of magnitude.";

  enum { step_size, meta_step_size, momentum, beta1, beta2, epsilon };
  static constexpr HyperParameter hypers[] = {
      {"step_size", kRequired, 0.0, kUnbounded, false, true, "alpha", "initial step size"},
      {"meta_step_size", kRequired, 0.0, kUnbounded, false, true, "kappa", "step size of the step size"},
      {"momentum", 0.0, 0.0, 1.0, false, true, "mu", "base sgd: share of the last direction that is kept"},
      {"beta1", 0.9, 0.0, 1.0, false, true, "beta_1", "base adam: decay of the first moment"},
      {"beta2", 0.999, 0.0, 1.0, false, true, "beta_2", "base adam: decay of the second moment"},
      {"epsilon", 1e-8, 0.0, kUnbounded, false, true, "epsilon", "base adam: added to the root"},
  };
  enum { base, per_weight };
  static constexpr int option_count = 2;
  static constexpr Option options[] = {
      {"base", "sgd adam", 0, "whose direction u is followed"},
      {"per_weight", "False True", 0, "one step size per weight, not one for the network"},
  };

  static constexpr Field kDirection = {"direction", kStartsAtZero, "u: direction of the last step"};
  static constexpr Field kFirst = {"first_moment", kStartsAtZero, "m: decaying mean of the gradient"};
  static constexpr Field kSecond = {"second_moment", kStartsAtZero, "v: decaying mean of the squared gradient"};

  static bool fades(const double* hyper, const int*) { return hyper[momentum] == 0; }

  // f: u, and for Adam m and v.
  template <bool kAdam, class V, class C>
  STREAMDL_HD static void turn(V* f, V g, const C& c) {
    if constexpr (kAdam) {
      f[1] = flushed(fma(c.hyper[beta1], f[1], (V(1) - c.hyper[beta1]) * g));
      f[2] = flushed(fma(c.hyper[beta2], f[2], (V(1) - c.hyper[beta2]) * (g * g)));
      f[0] = (f[1] * c.correction[0]) / (sqrt(f[2] * c.correction[1]) + c.hyper[epsilon]);
    } else {
      f[0] = flushed(fma(c.hyper[momentum], f[0], g));
    }
  }
};

template <bool kAdam>
struct HypergradientOfNetwork : HypergradientDefaults {
  static constexpr int field_count = kAdam ? 3 : 1;
  static constexpr Field fields[] = {kDirection, kFirst, kSecond};
  static constexpr int shared_count = 1;
  static constexpr Shared shared[] = {{"step_size", step_size, "a: the step size of all weights"}};
  static constexpr int clock_count = kAdam ? 2 : 0;
  static constexpr int clocks[] = {beta1, beta2};
  static constexpr Sums sums = {1, Scope::network, true};
  static constexpr unsigned apply_writes = 0;

  static constexpr unsigned fading = kAdam ? 0 : 1;

  static bool serves(const double*, const int* o) { return o[base] == kAdam && !o[per_weight]; }

  template <class V, class C>
  STREAMDL_HD static void fade(V* f, C& c) {
    f[0] = c.part[0] = V(0);
  }

  template <class V, class G, class C>
  STREAMDL_HD static void measure(V w, const G& gradient, V, V* f, C& c) {
    const V g = c.gradient(gradient, w);
    c.part[0] = g * f[0];
    turn<kAdam>(f, g, c);
  }

  static void conclude(const Conclusion& c) { c.shared[0] += c.hyper[meta_step_size] * c.sum[0]; }

  template <class V, class G, class C>
  STREAMDL_HD static void apply(V& w, const G&, V, V* f, const C& c) {
    w = fnma(c.shared[0], f[0], c.decayed(w, c.shared[0]));
  }
};

template <bool kAdam>
struct HypergradientPerWeight : HypergradientDefaults {
  static constexpr int field_count = kAdam ? 4 : 2;
  static constexpr Field fields[] = {
      {"step_size", step_size, "a: this weight's step size"}, kDirection, kFirst, kSecond};
  static constexpr int clock_count = kAdam ? 2 : 0;
  static constexpr int clocks[] = {beta1, beta2};

  static constexpr unsigned fading = kAdam ? 0 : 0b10;

  static bool serves(const double*, const int* o) { return o[base] == kAdam && o[per_weight]; }

  template <class V, class C>
  STREAMDL_HD static void fade(V* f, C&) {
    f[1] = V(0);
  }

  template <class V, class G, class C>
  STREAMDL_HD static void apply(V& w, const G& gradient, V, V* f, const C& c) {
    const V g = c.gradient(gradient, w);
    V& a = f[0];
    a = fma(c.hyper[meta_step_size], g * f[1], a);
    turn<kAdam>(f + 1, g, c);
    w = fnma(a, f[1], c.decayed(w, a));
  }
};

using HypergradientSGD = HypergradientOfNetwork<false>;
using HypergradientAdam = HypergradientOfNetwork<true>;
using HypergradientSGDPerWeight = HypergradientPerWeight<false>;
using HypergradientAdamPerWeight = HypergradientPerWeight<true>;

STREAMDL_END
