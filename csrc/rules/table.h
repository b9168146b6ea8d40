// The two tables that every update rule declares: its hyper-parameters and its per-weight fields.
//
// Memory layout, initialisation, reset on regeneration, saving, `learner.state`, the Python class and
// its documentation are all derived from these tables; nobody lists a field twice.
#pragma once

#include "math/isa.h"

STREAMDL_BEGIN

struct HyperParameter {
  const char* name;
  double standard;           // default; NaN: must be given
  double low, high;          // allowed range
  bool low_open, high_open;  // whether the ends themselves are refused
  const char* letter;        // in the paper
  const char* meaning;       // one line
  enum class Kind { number, flag } kind = Kind::number;
};

inline constexpr double kRequired = __builtin_nan("");
inline constexpr double kUnbounded = __builtin_inf();
inline constexpr int kStartsAtZero = -1;

struct Field {
  const char* name;
  int start;            // index of the hyper-parameter it starts at, or kStartsAtZero; also after regeneration
  const char* meaning;  // one line
  // Whether the weight is not finite either where this field is not: then looking at the weight is enough.
  bool shows_in_weight = false;
};

// A rule with fields bounds what an update does (`bound`, see kernels.h). Bounds are kept below kSmall, and
// take the rounding of the update into account by kRounding.
inline constexpr double kSmall = 1e30, kRounding = 1 + 1e-6;

// What a rule says of itself, for the documentation.
struct Description {
  const char* name;                       // class in streamdl.optim
  const char* title;                      // one line
  const char* equation;                   // in the paper's letters, one line per statement
  const char* source;                     // author, year
  const char* cost;                       // per weight and example
  const char* no_weight_decay = nullptr;  // where weight_decay is refused: the reason
};

// Every optimizer also takes these, after its own. `a` is the step size that the update uses.
inline constexpr HyperParameter kCommonHyperParameters[] = {
    {"weight_decay", 0.0, 0.0, kUnbounded, false, true, "lambda", "L2: adds weight_decay * w to the gradient"},
    {"decoupled_weight_decay", 0.0, 0.0, kUnbounded, false, true, "lambda",
     "w *= 1 - step_size * decoupled_weight_decay first"},
};
inline constexpr int kCommonHypers = 2;

// A rule's own default of decoupled_weight_decay, where it has one.
template <class Rule> constexpr double standard_decoupled_weight_decay() {
  if constexpr (requires { Rule::decoupled_weight_decay; }) return Rule::decoupled_weight_decay;
  return 0;
}

STREAMDL_END
