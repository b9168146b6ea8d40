// The two tables that every update rule declares: its hyper-parameters and its per-weight fields.
//
// Memory layout, initialisation, reset on regeneration, saving, `learner.state`, the Python class and
// its documentation are all derived from these tables; nobody lists a field twice.
#pragma once

#include "math/isa.h"
#include "rules/conclusion.h"

STREAMDL_BEGIN

struct HyperParameter {
  const char* name;
  double standard;           // default; NaN: must be given
  double low, high;          // allowed range
  bool low_open, high_open;  // whether the ends themselves are refused
  const char* letter;        // in the paper
  const char* meaning;       // one line
  // Of a whole number that is 0 by default, 0 stands for None.
  enum class Kind { number, flag, whole } kind = Kind::number;
};

inline constexpr double kRequired = __builtin_nan("");
inline constexpr double kUnbounded = __builtin_inf();
inline constexpr int kStartsAtZero = -1, kStartsAtOne = -2, kStartsAtWeight = -3;

struct Field {
  const char* name;
  int start;            // index of the hyper-parameter it starts at, kStartsAtZero or kStartsAtWeight; also when reborn
  const char* meaning;  // one line
  bool has_root = false;  // `bound` takes for granted that it is not negative, as a user may have written it
};

// A number that many weights share: it is part of the state, as a double, and runs on when units are regenerated.
struct Shared {
  const char* name;
  int start;  // index of the hyper-parameter it starts at, kStartsAtZero or kStartsAtOne
  const char* meaning;
};

// Something that is chosen when a learner is built, by name, and fixed from then on.
struct Option {
  const char* name;
  const char* choices;  // separated by spaces; "False True" is a flag
  int standard;
  const char* meaning;
};

// Over which weights a rule adds up before it can go on: the incoming ones of a unit, one array of parameters, or all.
enum class Scope { unit, array, network };

// What a rule adds up. Weights contribute as they are measured, before any is written, or as they are updated.
struct Sums {
  int count = 0;
  Scope scope = Scope::network;
  bool before = false;        // in a pass of their own, by `measure`
  bool largest = false;       // not the sum, but the largest contribution
  bool biases_apart = false;  // Scope::unit: biases do not count with their units, but all of a layer together
};
inline constexpr int kMaxShared = 8, kMaxOptions = 3;

// A rule with fields bounds what an update does (`bound`, see kernels.h). Bounds are kept below kSmall, and
// take the rounding of the update into account by kRounding.
inline constexpr double kSmall = 1e30, kRounding = 1 + 1e-6;

// One update of a weight whose input is silent, where it is a linear map of the weight, of a single field, and of the
// weight's first value, with normal noise on the weight.
struct SilentUpdate {
  double weight_of_weight = 1, weight_of_field = 0, weight_of_first = 0;
  double field_of_weight = 0, field_of_field = 1, field_of_first = 0;
  double noise = 0;
};
// What it depends on beside the rule's own hyper-parameters.
struct SilentContext {
  const double* hyper;
  double weight_decay, decoupled_weight_decay, pull;
  const double* shared;  // as this update left it,
  double error;          // the target minus the output
  bool cancelled;        // rules with sums: nothing was applied, what was measured stays
};

// What a rule says of itself, for the documentation; beside it, in `when`, what it is good for.
struct Description {
  const char* name;                       // class in streamdl.optim
  const char* title;                      // one line
  const char* equation;                   // in the paper's letters, one line per statement
  const char* source;                     // author, year
  const char* cost;                       // per weight and example
  const char* no_weight_decay = nullptr;  // where weight_decay is refused: the reason
};

// Every optimizer also takes these, after its own, unless it says otherwise. `a` is the step size that the update uses.
inline constexpr HyperParameter kCommonHyperParameters[] = {
    {"weight_decay", 0.0, 0.0, kUnbounded, false, true, "lambda", "L2: adds weight_decay * w to the gradient"},
    {"decoupled_weight_decay", 0.0, 0.0, kUnbounded, false, true, "lambda",
     "w *= 1 - step_size * decoupled_weight_decay first"},
};
inline constexpr int kCommonHypers = 2;

// What holds of a rule that does not say otherwise.
struct RuleDefaults {
  static constexpr const char* when = "";  // of rules that share a description, the first says it
  static constexpr int field_count = 0, shared_count = 0, option_count = 0, clock_count = 0;
  static constexpr const Field* fields = nullptr;
  static constexpr const Shared* shared = nullptr;
  static constexpr const Option* options = nullptr;
  static constexpr const int* clocks =
      nullptr;  // hyper-parameters whose powers beta^t each unit keeps, to correct biases
  static constexpr Sums sums{};
  static constexpr bool many_modes = false;            // a kernel for each mode: for rules with little work per weight
  static constexpr bool takes_decays = true;           // the common hyper-parameters
  static constexpr double decoupled_weight_decay = 0;  // its default
  // Fields, one bit each: those that a weight shows, which is not finite either where they are not, so that looking at
  // the weight is enough; and those that `measure` and `apply` write.
  static constexpr unsigned shown_by_weight = 0;
  static constexpr unsigned measure_writes = ~0u, apply_writes = ~0u;
  // Scope::unit: whether a sum can change weights whose input is silent.
  static constexpr bool unit_moves_silent = false;
  static constexpr bool uses_sensitivity = false;
  static constexpr bool uses_output_slope = false;  // d is |d (sum of squared outputs) / d w| instead
  static constexpr bool uses_exponential = false;
  static constexpr bool bounds_growth = true;      // `bound` also knows whether it grows a little, see Context::grown
  static constexpr bool uses_noise = false;        // a normal draw per weight
  static constexpr bool silent_rows_rest = false;  // x = 0 changes nothing
  static constexpr bool descends_output = false;   // g is the gradient of minus the output, the error comes apart
  static constexpr bool one_output = false;        // defined for one output and squared error, as those are, too

  // Fields, one bit each, that x = 0 changes, by `fade`, while all else stays as it is; without decay, and where `fades`
  // says so. With Sums::before, in the first pass; `fade` then sets what the weight contributes.
  static constexpr unsigned fading = 0;
  static bool fades(const double*, const int*) { return true; }

  // Whether updates of silent weights have a closed form, `silent`; where it returns false, not with these numbers.
  static constexpr bool has_closed_form = false;

  // Which of the rules of one name serves these hyper-parameters and options.
  static constexpr bool serves(const double*, const int*) { return true; }
};

// Why weights whose input is silent cannot wait for their updates under this rule, or null: a late update must follow
// from the weight and its fields alone.
template <class Rule>
constexpr const char* cannot_wait() {
  if (Rule::uses_noise) return "draws noise for every weight on every example";
  if (Rule::sums.count) return "adds up over all weights on every example";
  if (Rule::clock_count) return "corrects its means by a weight's age on every example";
  if (Rule::shared_count || Rule::descends_output || Rule::uses_output_slope)
    return "moves silent weights by numbers that change with every example";
  return nullptr;
}

// What holds of a plasticity method that does not say otherwise.
struct MethodDefaults {
  static constexpr const char* when = "";
  static constexpr int option_count = 0;
  static constexpr const Option* options = nullptr;
  static constexpr bool of_units = false;  // regenerates units
  static constexpr bool of_edges = false;  // moves edges of sparse layers
};

STREAMDL_END
