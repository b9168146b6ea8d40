// The interface of floor 2: plain structs and one table of function pointers per instruction set.
//
// All rows are 64-byte aligned and padded to whole vectors; padding holds zeros and stays zero.
// Kernels allocate nothing, lock nothing and throw nothing.
//
// Lists of active rows go on behind their end with kRowsBehind times the spare row: the one behind the bias,
// whose weights and input are 0. So loops take whole groups of rows, and the spare row stays as it is.
#pragma once

#include <cstddef>
#include <cstdint>

#include "rules/conclusion.h"

namespace streamdl {

enum class Activation { linear, relu, leaky_relu, elu, gelu, silu, tanh, sigmoid, softplus, ltu, count };
enum class Utility {
  contribution,
  weight,
  adaptation,
  zero_contribution,
  adaptable_contribution,
  feature_by_input,
  count
};
enum class Loss { squared_error, cross_entropy, binary_cross_entropy, huber, count };

// Where a layer's weights come from: the near caches, the far ones, or, with all the other layers, from memory.
enum class Level { near, far, memory };

inline constexpr int kMaxHypers = 16;
inline constexpr int kMaxClocks = 2;
inline constexpr size_t kAlignment = 64;
inline constexpr int kRowsBehind = 8;
inline constexpr int kFewOutputs = 8;  // a layer by output has at most so many
constexpr int spare_row(int inputs) { return inputs + 1; }

// Lanes of one vector: 16 floats or 8 doubles.
template <class T>
inline constexpr int kLanes = 64 / (int)sizeof(T);
template <class T>
constexpr int padded(int n) {
  return (n + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
}

// A sparse layer's rows hold a number of edges instead of a weight per column: the columns they lead to are listed.
inline constexpr int kEdgeBlock = 16;  // edges that may lie together, and lead to as many columns that do
struct Edges {
  const int32_t* targets;  // row j at targets + j * target_stride: the column of each edge, or of each block's first
  ptrdiff_t target_stride;
  bool blocks;
  int outputs;
  int bias_columns;       // padded: the distance between a bias and its fields,
  ptrdiff_t bias_anchor;  // and from a bias to its first value, or 0
};

// out = bias + sum over rows of x[row] * weights[row, :], in groups of four rows, for a range of columns.
template <class T>
struct ForwardArgs {
  const T* weights;  // row j at weights + j * row_stride
  ptrdiff_t row_stride;
  const int32_t* rows;  // active rows, ascending
  int row_count;
  const T* x;               // (inputs)
  const T* bias;            // (columns), or null
  T* out;                   // (columns)
  int begin, end;           // columns of this call; from a whole vector on, padding need not be covered
  Level level;              // not near: sweep whole rows
  int inputs;               // by output: the length of a vector of weights,
  ptrdiff_t output_stride;  // and the distance to the next
  int used = 0;             // sparse: edges of a row, and where they lead
  const Edges* edges = nullptr;
};

// Several updates of a silent weight at once: a linear map of it, its field and its first value, and normal noise.
template <class T>
struct Leap {
  T weight_of_weight, weight_of_field, weight_of_first;
  T field_of_weight, field_of_field, field_of_first;
  T deviation;
};

// The fused pass back over rows of outgoing weights: each weight is read once, gives its contribution to
// the error of its source unit, is updated with its fields, adds to its unit's sums, and is written once.
template <class T>
struct UpdateArgs {
  T* weights;  // row j at weights + j * row_stride: [w | field 0 | field 1 | ...]
  ptrdiff_t row_stride;
  int columns;  // padded: the distance between a weight and its fields
  int used;     // columns without padding
  const int32_t* rows;
  int row_count;
  const T* x;                              // (inputs) activation of each source unit
  const T* delta;                          // (columns) dL/d(pre-activation)
  const T* sensitivity;                    // (columns) of the pre-activations, or their output slopes; or null
  T* bias;                                 // row [b | fields] with x = 1, or null
  const T* row_correction[kMaxClocks];     // (inputs) 1 / (1 - beta^t) of the source units, or null
  const T* column_correction[kMaxClocks];  // (columns)
  T* input_delta;                          // (inputs) sum over columns of w * delta, from the weights before the update
  T* input_sensitivity;                    // (inputs) sum over columns of w^2 * sensitivity
  T* outgoing_sum;                         // (inputs) sum of |w| after the update
  T* incoming_change;                      // (columns) accumulates |w after| - |w before|
  const double* hyper;                     // of the rule, then the common ones
  const int* options;                      // of the rule
  const double* shared;                    // what the weights share,
  const double* bias_shared;               // and the biases; see Scope::array
  T pull;                                  // of L2Init,
  ptrdiff_t anchor;                        // and from a weight to its first value, or 0
  T clip;                                  // no |w| is above it afterwards, or infinity
  T error;                                 // the target minus the output
  T* row_sums[kMaxSums];                   // (inputs) what each row contributes to the rule's sums,
  T bias_sums[kMaxSums];                   // out: and the biases; Scope::unit: those that count apart
  T* unit_sums;                            // (columns) Scope::unit: accumulates contributions per output
  const T* unit_factors;                   // (columns) Scope::unit: what became of the sums,
  T bias_factor;                           // and of the biases that count apart
  const uint32_t* noise;                   // counter and key of the draws, their first word counting from here
  const uint32_t* missed;                  // to catch up: how many updates without an input each listed row has missed,
  const Leap<T>* leaps;                    // or which of these takes it there
  Level level;                             // not near: prefetch the next rows,
  bool in_order;                           // but from memory rather read weights, then first values
  int inputs;                              // by output: the length of a vector of weights,
  ptrdiff_t output_stride;                 // the distance to the next,
  bool rests;                              // and whether silent rows stay as they are
  bool propagates;                         // by output, when measuring: whether input_delta is asked for
  const Edges* edges;                      // sparse: columns are those of the edges, `used` of them
  T limit;                                 // rules with fields: a bound that no |w| is above before the pass
  T largest;                               // in and out: the largest |w| seen above it
  uint64_t cancelled;                      // in and out: updates cancelled because a field would not be finite
};

// One row of parameters whose gradient lies in memory: biases and layer-norm parameters, minibatches.
template <class T>
struct StoredUpdateArgs {
  T* weights;   // [w | fields]
  int columns;  // padded: the distance between a weight and its fields
  int used;
  const T* gradient;        // (columns)
  const T* sensitivity;     // (columns) d itself, or null
  const T* row_correction;  // (clocks) of the source unit, or null
  const T* column_correction[kMaxClocks];
  const double* hyper;
  const int* options;
  const double* shared;
  T pull;
  ptrdiff_t anchor;
  T clip;
  T error;
  T sums[kMaxSums];       // out: what the row contributes to the rule's sums
  T* unit_sums;           // (columns) Scope::unit: accumulates contributions, if each is of another unit
  const T* unit_factors;  // (columns), or null for
  T unit_factor;          // one of all
  const uint32_t* noise;
  uint32_t first_draw;
  T largest;
  uint64_t cancelled;
};

// u = decay u + (1 - decay) |x delta w| of the edges of every row whose x is not 0.
template <class T>
struct EdgeUtilityArgs {
  T* weights;
  ptrdiff_t row_stride;
  ptrdiff_t utility;  // from a weight to its u
  int used;
  const int32_t* rows;
  int row_count;
  const T *x, *delta;
  T decay;
  const Edges* edges;
};

// One step of the utilities of a hidden layer: f = decay f + (1 - decay) h; u = decay u + (1 - decay) y.
template <class T>
struct UtilityArgs {
  int units;
  T decay;
  T* utility;                        // u
  T* mean_activation;                // f, or null where the kind does not use it
  const T* correction;               // 1 / (1 - decay^age), with mean_activation
  const T* activation;               // h
  const T* magnitude;                // |h| or |h - f/c| as means over a minibatch, or null: computed from h
  const T* outgoing_sum;             // sum of |outgoing weights|, or null
  const T* incoming_sum;             // sum of |incoming weights|, or null
  T outgoing_scale, incoming_scale;  // 1 / how many
};

// What the fused pass is asked to do; an index into RuleKernels::update.
enum UpdateMode : unsigned {
  kPropagate = 1,     // compute input_delta (and input_sensitivity)
  kDecay = 2,         // weight_decay, decoupled_weight_decay, L2Init or clipping is at work
  kOutgoingSums = 4,  // outgoing_sum
  kIncomingSums = 8,  // outgoing_sum and incoming_change
  kBounded = 16,      // RuleKernels::bound said yes: nothing is looked at but growth that it leaves open
  kUpdateModes = 32,
};

template <class T>
struct RuleKernels {
  // The pass that measures, for rules with Sums::before; it computes input_delta (and input_sensitivity), too.
  void (*measure)(UpdateArgs<T>&);
  void (*measure_by_output)(UpdateArgs<T>&);
  void (*measure_stored)(StoredUpdateArgs<T>&);
  void (*begin)(double* shared, const double* hyper, double t);  // of each update, where the rule has one
  void (*conclude)(const Conclusion&);
  // Scope::unit: factors of n sums; false where all are 1.
  bool (*conclude_units)(const T* sums, T* factors, int n, const double* shared);

  void (*update[kUpdateModes])(UpdateArgs<T>&);
  void (*update_by_output[kUpdateModes])(UpdateArgs<T>&);  // see Dense::by_output
  void (*update_edges[2])(UpdateArgs<T>&);                 // sparse layers [with decay]
  void (*measure_edges)(UpdateArgs<T>&);
  void (*update_stored[2])(StoredUpdateArgs<T>&);  // [with decay]
  void (*catch_up[2])(UpdateArgs<T>&);  // [with decay] rows make up for what they missed; null where none can wait
  void (*fade)(UpdateArgs<T>&);         // silent rows, of rules that change only fields of theirs; or null
  // Takes upper bounds of |w| and of every |field| past an update with |g| <= gradient, without decay. False,
  // and nothing changed, unless they all stay small and the quick formulas hold (see bounds_growth); null without fields.
  bool (*bound)(double* most, double gradient, const double* hyper);
};

// What a layer of units sends on.
template <class T>
struct Emitted {
  int active;  // how many are not 0
  T largest;   // max |h|
};

// What a sparse input is like.
template <class T>
struct SparseSurvey {
  bool ascending;  // its indices are features, each named once, in ascending order
  bool finite;     // all of its numbers are,
  bool active;     // and none is 0
  T largest;       // max |x|
};

template <class T>
struct LossResult {
  bool finite;
  double loss;
  T largest_delta;
};

template <class T>
struct TDKernels;

// One table per instruction set and number type.
template <class T>
struct Kernels {
  bool (*all_finite)(const T* in, int padded_count);
  T (*largest)(const T* in, int padded_count);
  bool (*any_negative)(const T* in, int padded_count);

  void (*forward)(const ForwardArgs<T>&);
  void (*forward_by_output)(const ForwardArgs<T>&);
  // input_delta[row] = sum of w * delta; with `squared`, of w^2 * delta. Reads only.
  void (*backward)(const UpdateArgs<T>&, bool squared);
  void (*backward_by_output)(const UpdateArgs<T>&, bool squared);
  // The same for sparse layers.
  void (*forward_edges)(const ForwardArgs<T>&);
  void (*backward_edges)(const UpdateArgs<T>&, bool squared);
  void (*edge_utility)(const EdgeUtilityArgs<T>&);
  // Sums of |w| of one row.
  T (*absolute_sum)(const T* row, int columns);
  // gradient += x * delta, one row.
  void (*accumulate)(T* gradient, T x, const T* delta, int columns);

  // What n numbers are like, in whole vectors; false where one is not finite.
  bool (*look)(const T* in, int n, Emitted<T>* seen);
  // h = value(a) of n units, with zeros behind them. `a` needs no padding and may be h itself. Where `active` is
  // given, it gets the ascending indices of the h that are not 0, and the spare row behind; it has room for 16 more.
  // False where one a is not finite.
  bool (*emit[(int)Activation::count])(const T* a, T* h, int n, int32_t* active, Emitted<T>* emitted);
  // in_delta = out_delta * slope; in_sensitivity = out_sensitivity * slope^2 where given.
  void (*activate_back[(int)Activation::count])(const T* a, const T* h, const T* out_delta, T* in_delta,
                                                const T* out_sensitivity, T* in_sensitivity, int n);

  // (a - mean) / sqrt(variance + 1e-5); false where the result is not finite.
  bool (*normalize)(const T* a, T* normalized, T* inverse_deviation, int n);
  void (*normalize_back)(const T* normalized, T inverse_deviation, const T* out_delta, T* in_delta,
                         const T* out_sensitivity, T* in_sensitivity, int n);
  // out = gain * normalized + shift.
  bool (*affine)(const T* normalized, const T* gain, const T* shift, T* out, int n);

  // 0 with probability `rate`, else in / (1 - rate); `gate` holds the factor used.
  bool (*drop)(const T* in, T* out, T* gate, int n, double rate, const uint32_t* counter, const uint32_t* key);
  // out = a * b.
  void (*multiply)(const T* a, const T* b, T* out, int n);

  // Loss, delta and curvature (or null) of the outputs. `target` is (n) without padding, or null with `label`.
  LossResult<T> (*loss[(int)Loss::count])(const T* output, const T* target, int label, int n, T* delta, T* curvature);

  // w = (1 - shrink) w + noise N(0,1) for the n weights of a row; returns max |w|.
  T (*perturb)(T* row, int n, double shrink, double noise, const uint32_t* counter, const uint32_t* key);

  // Of matrices whose rows of n numbers lie `stride` apart: slow = decay slow + rest w; the sum of w^2, each row's by
  // itself; w = factor w, which returns max |w|.
  void (*follow)(const T* w, T* slow, ptrdiff_t stride, int rows, int n, T decay, T rest);
  double (*squares)(const T* w, ptrdiff_t stride, int rows, int n);
  T (*multiply_all)(T* w, ptrdiff_t stride, int rows, int n, double factor);

  // The listed rows take their leaps, with one field or none.
  void (*leap[2])(UpdateArgs<T>&);

  // The n draws that follow counter[0], as numbers in [0, 1): of words 0 and 1, and where wanted of 2 and 3.
  void (*uniforms)(double* first, double* second, int n, const uint32_t* counter, const uint32_t* key);

  // By Utility; the formulas are in rules/plasticity/continual_backprop.h.
  void (*utility[(int)Utility::count])(const UtilityArgs<T>&);

  // A bit per unit, 64 to a word, words `stride` apart: whether h > 0, and where wanted whether h != 0.
  void (*mark_active)(const T* h, int n, ptrdiff_t stride, uint64_t* positive, uint64_t* nonzero);
  // Of `count` indices and values; where they ascend, `rows` gets the indices and `copy`, or null, the values.
  SparseSurvey<T> (*survey_narrow)(const int32_t* indices, const T* values, size_t count, int features, int32_t* rows,
                                   T* copy);
  SparseSurvey<T> (*survey_wide)(const int64_t* indices, const T* values, size_t count, int features, int32_t* rows,
                                 T* copy);

  // In the order of STREAMDL_OPTIMIZERS.
  const RuleKernels<T>* rules;

  const TDKernels<T>* td;  // see kernels/td.h
};

// The kernels of one instruction set: "scalar", "avx2", "avx512" or "neon".
struct InstructionSet {
  const char* name;
  bool (*available)();
  const Kernels<float>& (*single)();
  const Kernels<double>& (*twice)();
};

template <class T>
const Kernels<T>& kernels_of(const InstructionSet& set);
template <>
inline const Kernels<float>& kernels_of<float>(const InstructionSet& set) {
  return set.single();
}
template <>
inline const Kernels<double>& kernels_of<double>(const InstructionSet& set) {
  return set.twice();
}

}  // namespace streamdl
