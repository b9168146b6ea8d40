// What was built: layer table, shapes, offsets into the state. Immutable.
#pragma once

#include <string>
#include <vector>

#include "learner/entries.h"
#include "learner/spec.h"
#include "rules/plasticity/list.h"
#include "rules/table.h"

namespace streamdl {

struct Dense {
  int inputs = 0, outputs = 0, columns = 0;
  int parameter = 0;
  int array = 0;  // of the weights among all arrays of parameters; the bias is the next
  bool has_bias = true;
  Init init = Init::kaiming_uniform;
  double sparsity = 0, threshold = 0;
  int fan_out = 0;          // weights that leave one input
  double gain_squared = 1;  // of the activation that follows
  double bound = 0;         // incoming weights are redrawn uniformly within it
  // A vector [w | field 0 | ...] holds the outgoing weights of one source unit, its fields `columns` apart: a row.
  // A last layer with few outputs would waste most of it and spend its time on sums over rows: there a vector holds
  // the incoming weights of one output. The bias is one more vector.
  bool by_output = false;
  // What methods keep beside the weights: how far it is, in numbers, from a weight to
  ptrdiff_t anchor = 0;        // its first value,
  ptrdiff_t slow = 0;          // its slow one, with HareAndTortoise,
  ptrdiff_t worth = 0;         // its utility, with SelectiveWeightReinit or EdgeUtility
  size_t row_stride = 0;       // in numbers: from source unit to source unit,
  size_t output_stride = 1;    // from output to output,
  size_t vector_stride = 0;    // from vector to vector, padded off powers of two
  int vectors = 0;             // the last one is the bias
  size_t weights = 0;          // byte offset
  size_t norm = 0;             // with NormalizeAndProject: of the first weights; byte offset
  size_t due = 0;              // with SelectiveWeightReinit: how many weights are; byte offset
  size_t partial_utility = 0;  // with ContinuousContinualBackprop: of its hidden units; byte offset
  Level level = Level::near;
  // A sparse layer's vector holds the edges of one source unit, `edges` of them, in blocks that lead to columns next to
  // each other; its bias is a vector of another length, and there is no spare row.
  int edges = 0, block = 1;
  size_t targets = 0;     // byte offset: where each edge, or each block's first one, leads
  int target_stride = 0;  // from row to row
  int bias_columns = 0;   // of the bias, as `columns` of the others

  // Blocks of one source unit, and how many there could be.
  int blocks() const { return edges / block; }
  int places() const { return outputs / block; }
  // Where an edge of a row leads.
  int column(const int32_t* targets, int edge) const { return targets[edge / block] + edge % block; }
  // Of a unit; with edges, in the mean.
  double fan_in() const { return edges ? (double)inputs * edges / outputs : inputs; }
  // Of vector i: the distance between a weight and its fields, how many weights there are, and how far something is
  // that methods keep beside them.
  int columns_of(int i) const { return i + 1 == vectors ? bias_columns : columns; }
  int length_of(int i) const { return i + 1 == vectors ? outputs : by_output ? inputs : edges ? edges : outputs; }
  ptrdiff_t offset_of(int i, ptrdiff_t offset) const { return offset / columns * columns_of(i); }
};

// An image, or a vector: one row of one channel.
struct Shape {
  int channels = 1, rows = 1, columns = 1;
  bool image = false;
  int size() const { return channels * rows * columns; }
  std::string text() const;
};

// An array of parameters of an operation, as it lies in the state: rows of [w | field 0 | ...], `columns` apart.
struct Parameters {
  int array = 0;  // among all arrays of parameters
  int rows = 1, used = 0, columns = 0;
  size_t row_stride = 0;  // in numbers
  size_t offset = 0;      // in bytes
  ptrdiff_t anchor = 0;   // see Dense
  bool of_units = false;  // one per unit, born again with it at
  double start = 0;
};

// A number that an operation keeps of each of its units, as it is at their birth.
struct UnitNumber {
  const char* name;
  double start;
  bool twice = false;  // float64 in every learner: it adds up over the whole stream
  size_t offset = 0;
};

// An operation on the units of a boundary, between two dense layers.
struct UnitOp {
  LayerSpec spec;
  Shape in, out;
  bool propagates = false;         // somebody below needs its deltas
  int parameter = -1;              // number in parameter names, where it has parameters
  std::vector<Parameters> arrays;  // which these are, weights before biases
  std::vector<UnitNumber> states;  // besides the parameters
  Dense filters;                   // of a convolution: an input of a window by a channel
  size_t clock[kMaxClocks] = {};   // byte offsets of beta^t of its units, for the optimizer's corrections
  int clocked = 0;                 // how many they are; 0: those of the boundary
};

// The units between two dense layers: boundary 0 holds the inputs, the last one the outputs.
struct Boundary {
  int units = 0;   // as the layer below, or the user, gives them,
  int sent = 0;    // and as the layer above, or the user, gets them
  int padded = 0;  // units
  std::vector<UnitOp> ops;
  bool skips = false;             // a unit with value 0 has slope 0: silent units need no work
  bool passes = false;            // and any other unit's delta passes as it is
  size_t clock[kMaxClocks] = {};  // byte offsets of beta^t per unit, for the optimizer's corrections
  int clocked() const { return units > sent ? units : sent; }
};

// The plasticity methods, in the order of STREAMDL_METHODS.
enum class Method {
#define STREAMDL_METHOD(M) M,
  STREAMDL_METHODS(STREAMDL_METHOD)
#undef STREAMDL_METHOD
};

struct MethodInfo {
  Method kind;
  int hyper;                 // where its hyper-parameters begin among all
  std::vector<int> options;  // in the order of its table
  bool of_units;             // regenerates units
};

// Offsets of what methods that regenerate units keep of one hidden layer.
struct UnitState {
  size_t birth = 0, replacements = 0;
  // Continual Backprop
  size_t utility = 0, mean_activation = 0, decay_power = 0, incoming_sum = 0, counter = 0;
  size_t incoming_peak = 0;                   // the largest incoming_sum since it was added up anew
  size_t magnitude = 0;                       // ReDo: sum of |h| in this period
  size_t fired = 0, past = 0, histogram = 0;  // self-normalised resets; see silences.h
};

// What the tables of the chosen rule say.
struct RuleInfo {
  int index = 0;  // in the order of STREAMDL_OPTIMIZERS
  const char* name = nullptr;
  int hypers = 0, common_hypers = 0, field_count = 0, shared_count = 0, clock_count = 0;
  const base::Field* fields = nullptr;
  const base::Shared* shared = nullptr;
  const int* clocks = nullptr;
  base::Sums sums;
  bool silent_rows_rest = true, uses_sensitivity = false, uses_output_slope = false, uses_noise = false,
       descends_output = false, one_output = false, unit_moves_silent = false, starts_at_weight = false,
       many_modes = false;
  const char* cannot_wait = nullptr;  // or the reason why rows cannot make up for their updates one by one
  // The closed form of silent updates, or null; and with noise, the rule that is left where that is drawn later.
  bool (*silent)(const base::SilentContext&, base::SilentUpdate*) = nullptr;
  int index_without_noise = -1;
  void (*without_noise)(const double* hyper, double* of_that_rule) = nullptr;
  bool (*serves)(const double* hyper, const int* options) = nullptr;
  bool (*fades)(const double* hyper, const int* options) = nullptr;  // or null: silent weights never lose fields alone
  bool sensitive() const { return uses_sensitivity || uses_output_slope; }
};

struct Plan {
  Spec spec;
  RuleInfo rule;
  std::vector<int> options;  // of the rule

  std::vector<Boundary> boundaries;
  std::vector<Dense> dense;
  std::vector<UnitState> hidden;    // with a method that regenerates units
  std::vector<MethodInfo> methods;  // in the order of spec.plasticity
  int unit_methods = 0;             // how many of them regenerate units,
  int edge_methods = 0;             // and move edges
  bool incoming_sums = false;       // whether its utility needs the sums of |incoming weights|
  std::vector<Named> hyper_names;   // of the optimizer, the common ones, then each plasticity method's
  size_t steps = 0, updates = 0, seed = 0, hyper = 0;
  size_t examples = 0;                   // of this period, with ReDo
  size_t mean_error = 0;                 // with Imprinting
  size_t shared = 0;                     // what weights share: with Scope::array, of one array after the other
  std::vector<std::string> array_names;  // of parameters
  size_t bytes = 0;
  std::vector<FieldEntry> entries;

  explicit Plan(Spec spec);

  // The hyper-parameters as built, in the order of hyper_names; and why a value is refused, or nothing.
  std::vector<double> initial_hyper() const;
  std::string check_hyper(size_t index, double value) const;
  // The method of this kind, or null.
  const MethodInfo* method(Method kind) const {
    for (const MethodInfo& m : methods)
      if (m.kind == kind) return &m;
    return nullptr;
  }
  // Calls visit(matrix, its place among random draws): of the dense layers, then of the convolutions.
  template <class Visit>
  void each_matrix(const Visit& visit) const;
  // Calls visit(operation, number of one of its arrays of parameters).
  template <class Visit>
  void each_parameters(const Visit& visit) const;
  // Whether silent rows of a dense layer are known, one by one, and whether they wait for their updates.
  bool lists_silent(size_t l) const { return boundaries[l].skips && !dense[l].by_output && !dense[l].edges; }
  bool waits(size_t l) const { return spec.silent_rows != SilentRows::visited && lists_silent(l); }
  bool leaps() const { return spec.silent_rows == SilentRows::closed_form; }
  // Whether the first values of weights are kept.
  bool keeps_first_values() const {
    const MethodInfo* m = method(Method::ShrinkAndPerturb);
    return method(Method::L2Init) || (m && m->options[base::ShrinkAndPerturb::toward] == 1);
  }
  // Of Continual Backprop.
  Utility utility() const { return (Utility)method(Method::ContinualBackprop)->options[0]; }
  // Where the optimizer's hyper-parameters end and those of the plasticity methods begin.
  int optimizer_hypers() const { return rule.hypers + rule.common_hypers; }

 private:
  void lay_out_layers();
  void check_silent_rows() const;
  template <class T> void lay_out_as();
};

// Of an operation's arrays of parameters among random draws; dense layers have their number.
inline uint32_t place_of(const UnitOp& op, size_t which) { return (uint32_t)(op.parameter * 2 + which + 1) << 12; }

template <class Visit>
void Plan::each_parameters(const Visit& visit) const {
  for (const Boundary& b : boundaries)
    for (const UnitOp& op : b.ops)
      for (size_t which = 0; which < op.arrays.size(); ++which) visit(op, which);
}

template <class Visit>
void Plan::each_matrix(const Visit& visit) const {
  for (size_t l = 0; l < dense.size(); ++l) visit(dense[l], (uint32_t)l);
  for (const Boundary& b : boundaries)
    for (const UnitOp& op : b.ops)
      if (op.filters.outputs) visit(op.filters, place_of(op, 0));
}

}  // namespace streamdl
