// What a rule of linear temporal-difference learning declares, and what the rules share.
//
// A learner of n features keeps w and a few fields per feature. One call brings the input x' and the reward that
// arrived with it; x is the input of the call before. A rule is a struct of tables and formulas:
//
//   description, hypers[], fields[], scalars[]
//   looks_back          it learns about x when x' arrives, so that x is part of the state
//   open(call, c)       the constants that `measure` reads, from the two predictions and the reward
//   measure(...)        adds to the call's sums, from the state as it is
//   close(call, c)      the constants of the update, from the sums; the new scalars
//   apply(...)          the update of a feature; whether a trace is left
//   fade(...)           the same, bit for bit, of one with x = x' = 0
//
// `open` and `close` return false where a number is not finite: nothing has been written then. A feature is eligible
// while one of its traces is not 0. Of all others `fade` changes no bit, so they need no visit. So that this holds,
// no formula leaves a negative zero at rest.
#pragma once

#include "math/elementary.h"
#include "rules/table.h"

STREAMDL_BEGIN

struct TDField {
  const char* name;
  int start;             // index of the hyper-parameter that it starts at, or kStartsAtZero
  bool trace;            // 0 at rest, and after an episode's end
  bool shows_in_weight;  // not finite only where the weight is not either
  const char* meaning;   // one line
};
// One number of the whole learner.
struct TDScalar {
  const char* name;
  double start;
  bool restarts;        // at an episode's end
  const char* meaning;  // one line
};

inline constexpr int kMaxTDScalars = 2, kMaxTDSums = 3, kMaxTDConstants = 16;

// One call in plain numbers.
template <class T>
struct TDCall {
  const T* hyper;  // in the order of the rule's table
  T reward;
  T before, now;      // v(x) and v(x') from the weights before the update; `now` is 0 at an episode's end
  T sum[kMaxTDSums];  // of `measure`
  T scalar[kMaxTDScalars];
  bool ordinary;  // gradient="ordinary": of the whole TD error, not of v(x) alone
};

// Which features `measure` looks at.
enum class TDMeasures { nothing, before, both, now };

template <class T>
STREAMDL_HD bool is_finite(T a) {
  return abs(a) <= constant<T>(0x1.fffffep127f, 0x1.fffffffffffffp1023);
}

// k e, and 0 where that is below the cutoff.
template <class V>
STREAMDL_HD V decayed(V e, V k, V cutoff) {
  const V next = k * e;
  return flushed(select(abs(next) < cutoff, V(0), next));
}

// a e^x for a step x of ln a, mostly small. In float a lane with |x| <= 1/16 takes the series up to x^4, whose error
// a x^5 / 120 is below an eighth of an ulp of a there.
template <class V>
STREAMDL_HD V raised(V a, V x) {
  if constexpr (!is_single<V>) return a * exp(x);
  const V series = fma(a, x * polynomial(x, 1, 0.5, 1.0 / 6, 1.0 / 24), a);
  const auto small = abs(x) <= V(0x1p-4f);
  if (all(small)) return series;
  return select(small, series, a * exp(x));
}

// Hyper-parameters that every rule has. The cutoff comes last, so that no position changes.
inline constexpr HyperParameter kDiscount = {"discount", 0.99,  0.0,     1.0,
                                             false,      false, "gamma", "worth of the next step's prediction"};
inline constexpr HyperParameter kTraceDecay = {
    "trace_decay", 0.9, 0.0, 1.0, false, false, "lambda", "traces decay by discount * trace_decay"};

STREAMDL_END
