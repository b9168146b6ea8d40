#include "learner/plan.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <type_traits>

#include "rules/activations.h"
#include "rules/optimizers/list.h"

namespace streamdl {
namespace {

constexpr double kGainSquared[] = {
#define STREAMDL_GAIN(A, name, gain) gain,
    STREAMDL_ACTIVATIONS(STREAMDL_GAIN)
#undef STREAMDL_GAIN
};
constexpr bool kSilentIsFlat[] = {
#define STREAMDL_FLAT(A, name, gain) base::A::silent_is_flat,
    STREAMDL_ACTIVATIONS(STREAMDL_FLAT)
#undef STREAMDL_FLAT
};
constexpr bool kActiveIsSteep[] = {
#define STREAMDL_STEEP(A, name, gain) base::A::active_is_steep,
    STREAMDL_ACTIVATIONS(STREAMDL_STEEP)
#undef STREAMDL_STEEP
};

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument(what); }

// Units are counted, and counts padded, in 32 bits.
void check_units(const char* what, int units) {
  constexpr int kMost = 1 << 30;
  if (units < 1) refuse(std::string(what) + ": expected at least 1, got " + std::to_string(units));
  if (units > kMost)
    refuse(std::string(what) + ": expected at most " + std::to_string(kMost) + ", got " + std::to_string(units));
}

// The place of a choice in "a b c"; refuses others.
int choice(const char* rule, const base::Option& option, const std::string& value) {
  std::istringstream choices(option.choices);
  std::string each;
  for (int i = 0; choices >> each; ++i)
    if (each == value) return i;
  refuse(std::string(rule) + "." + option.name + ": '" + value + "' is not known; expected one of " + option.choices);
}

// The place of a rule in the list of all.
template <class Wanted>
constexpr int index_of() {
  int index = 0, found = -1;
#define STREAMDL_COUNT(Rule)                             \
  if (std::is_same_v<base::Rule, Wanted>) found = index; \
  ++index;
  STREAMDL_OPTIMIZERS(STREAMDL_COUNT)
#undef STREAMDL_COUNT
  return found;
}

template <class Rule>
bool choose(Plan& plan, int index) {
  const OptimizerSpec& o = plan.spec.optimizer;
  if (o.name != Rule::description.name) return false;
  RuleInfo r;
  r.index = index;
  r.name = Rule::description.name;
  r.hypers = sizeof(Rule::hypers) / sizeof(Rule::hypers[0]);
  r.common_hypers = Rule::takes_decays ? base::kCommonHypers : 0;
  const size_t expected = r.hypers + r.common_hypers;
  if (o.hyper.size() != expected)
    refuse("optimizer: " + o.name + " has " + std::to_string(expected) + " hyper-parameters, got " +
           std::to_string(o.hyper.size()));
  if ((int)o.options.size() != Rule::option_count)
    refuse("optimizer: " + o.name + " has " + std::to_string(Rule::option_count) + " options, got " +
           std::to_string(o.options.size()));
  plan.options.clear();
  for (int i = 0; i < Rule::option_count; ++i) plan.options.push_back(choice(r.name, Rule::options[i], o.options[i]));
  if (!Rule::serves(o.hyper.data(), plan.options.data())) return false;
  r.field_count = Rule::field_count;
  r.fields = Rule::fields;
  r.shared_count = Rule::shared_count;
  r.shared = Rule::shared;
  r.clock_count = Rule::clock_count;
  r.clocks = Rule::clocks;
  for (int f = 0; f < r.field_count; ++f) r.starts_at_weight |= r.fields[f].start == base::kStartsAtWeight;
  r.sums = Rule::sums;
  r.silent_rows_rest = Rule::silent_rows_rest;
  r.uses_sensitivity = Rule::uses_sensitivity;
  r.uses_output_slope = Rule::uses_output_slope;
  r.uses_noise = Rule::uses_noise;
  r.descends_output = Rule::descends_output;
  r.one_output = Rule::one_output || Rule::descends_output;
  r.unit_moves_silent = Rule::unit_moves_silent;
  r.many_modes = Rule::many_modes;
  r.serves = &Rule::serves;
  r.fades = Rule::fading ? &Rule::fades : nullptr;
  r.cannot_wait = base::cannot_wait<Rule>();
  if constexpr (Rule::has_closed_form) r.silent = &Rule::silent;
  if constexpr (requires { typename Rule::WithoutNoise; }) {
    static_assert(Rule::takes_decays && Rule::WithoutNoise::takes_decays);
    r.index_without_noise = index_of<typename Rule::WithoutNoise>();
    r.without_noise = [](const double* hyper, double* of_that_rule) {
      Rule::without_noise(hyper, of_that_rule);
      std::copy_n(hyper + std::size(Rule::hypers), base::kCommonHypers,
                  of_that_rule + std::size(Rule::WithoutNoise::hypers));
    };
  }
  plan.rule = r;
  for (const auto& h : Rule::hypers) plan.hyper_names.push_back({h.name, h.low, h.high, h.low_open, h.high_open});
  for (int i = 0; i < r.common_hypers; ++i) {
    const auto& h = base::kCommonHyperParameters[i];
    plan.hyper_names.push_back({h.name, h.low, h.high, h.low_open, h.high_open});
  }
  if (r.common_hypers) plan.hyper_names[r.hypers].only_zero = Rule::description.no_weight_decay;
  return true;
}

template <class M>
bool add_method(Plan& plan, const PlasticitySpec& p, Method kind) {
  const char* name = M::description.name;
  if (p.name != name) return false;
  if (plan.method(kind)) refuse(std::string("plasticity: ") + name + " was given twice");
  constexpr size_t count = sizeof(M::hypers) / sizeof(M::hypers[0]);
  if (p.hyper.size() != count || (int)p.options.size() != M::option_count)
    refuse(std::string("plasticity: ") + name + " has " + std::to_string(count) + " hyper-parameters and " +
           std::to_string(M::option_count) + " options");
  MethodInfo info{kind, (int)plan.hyper_names.size(), {}, M::of_units};
  for (int i = 0; i < M::option_count; ++i) info.options.push_back(choice(name, M::options[i], p.options[i]));
  for (const auto& h : M::hypers) {
    Named named{std::string(name) + "." + h.name, h.low, h.high, h.low_open, h.high_open};
    named.whole = h.kind == base::HyperParameter::Kind::whole;
    named.none = named.whole && h.standard == 0;
    plan.hyper_names.push_back(named);
  }
  plan.methods.push_back(info);
  plan.unit_methods += M::of_units;
  plan.edge_methods += M::of_edges;
  return true;
}

// Of the first activation from operation `first` of a boundary on.
double gain_squared(const Plan& plan, size_t boundary, size_t first) {
  if (boundary + 1 == plan.boundaries.size()) return 1;  // the output layer
  const std::vector<UnitOp>& ops = plan.boundaries[boundary].ops;
  for (size_t i = first; i < ops.size(); ++i) switch (const LayerSpec& layer = ops[i].spec; layer.kind) {
      case LayerSpec::Kind::activation: return kGainSquared[(int)layer.activation];
      case LayerSpec::Kind::crelu: return 2;
      case LayerSpec::Kind::fourier: return 1;
      case LayerSpec::Kind::prelu: return 2 / (1 + layer.start * layer.start);
      case LayerSpec::Kind::adalin: return kGainSquared[(int)layer.activation];
      default: break;
    }
  return 1;
}

// Half the width of the uniform draw of incoming weights.
double draw_bound(const Dense& d) {
  const double fan_in = d.fan_in();
  switch (d.init) {
    case Init::lecun_uniform: return std::sqrt(3.0 / fan_in);
    case Init::xavier_uniform: return std::sqrt(6.0 / (fan_in + d.fan_out));
    case Init::standard: return 1 / std::sqrt(fan_in);
    case Init::sparse: return 1 / std::sqrt(fan_in);
    case Init::signs: return 1;
    default: return std::sqrt(d.gain_squared * 3.0 / fan_in);
  }
}

Dense matrix(const LayerSpec& layer, const char* name, int inputs, int fan_out) {
  if (!(layer.sparsity >= 0 && layer.sparsity <= 1))
    refuse(std::string(name) + ".sparsity: expected 0 to 1, got " + std::to_string(layer.sparsity));
  Dense d;
  d.inputs = inputs;
  d.outputs = layer.outputs;
  d.fan_out = fan_out;
  d.has_bias = layer.bias;
  d.init = layer.init;
  d.sparsity = layer.sparsity;
  d.threshold = layer.threshold;
  return d;
}

Dense sparse_matrix(const LayerSpec& layer, int inputs) {
  const std::string got = ", got " + std::to_string(layer.edges);
  if (layer.block != 1 && layer.block != kEdgeBlock)
    refuse("SparseLinear.block: expected 1 or " + std::to_string(kEdgeBlock) + ", got " + std::to_string(layer.block));
  if (layer.outputs % layer.block)
    refuse("SparseLinear.outputs: expected a multiple of block, got " + std::to_string(layer.outputs));
  if (layer.edges < 1 || layer.edges > layer.outputs)
    refuse("SparseLinear.edges: expected 1 to outputs (" + std::to_string(layer.outputs) + ")" + got);
  if (layer.edges % layer.block) refuse("SparseLinear.edges: expected a multiple of block" + got);
  if (layer.init == Init::sparse || layer.init == Init::signs)
    refuse("SparseLinear.init: sparse and signs are for a Linear");
  Dense d = matrix(layer, "SparseLinear", inputs, layer.edges);
  d.edges = layer.edges;
  d.block = layer.block;
  return d;
}

const char* name_of(const LayerSpec& layer) {
  using Kind = LayerSpec::Kind;
  switch (layer.kind) {
    case Kind::conv2d: return "Conv2d";
    case Kind::max_pool2d: return "MaxPool2d";
    case Kind::avg_pool2d: return "AvgPool2d";
    case Kind::flatten: return "Flatten";
    case Kind::layer_norm: return "LayerNorm";
    case Kind::online_norm: return "OnlineNorm";
    case Kind::input_norm: return "InputNorm";
    case Kind::crelu: return "CReLU";
    case Kind::fourier: return "Fourier";
    case Kind::prelu: return "PReLU";
    case Kind::adalin: return "AdaLin";
    case Kind::dropout: return "Dropout";
    case Kind::linear: return "Linear";
    case Kind::sparse_linear: return "SparseLinear";
    default: return "activation";
  }
}

Shape input_shape(const std::vector<int>& inputs) {
  double size = 1;
  for (int n : inputs) {
    check_units("inputs", n);
    size *= n;
  }
  if (size > 1 << 30) refuse("inputs: too many");
  Shape s;
  if (inputs.size() == 3) return {inputs[0], inputs[1], inputs[2], true};
  for (int n : inputs) s.columns *= n;
  return s;
}

// Makes an operation of a layer that changes the shape of what passes; an incomplete window at the edge is dropped.
void slide_windows(UnitOp& op) {
  const LayerSpec& layer = op.spec;
  const Shape& in = op.in;
  const std::string name = name_of(layer);
  if (!in.image) refuse(name + ": expected images (channels, rows, columns), got inputs of shape (" + in.text() + ")");
  if (layer.kernel < 1) refuse(name + ".kernel: expected at least 1, got " + std::to_string(layer.kernel));
  if (layer.stride < 1) refuse(name + ".stride: expected at least 1, got " + std::to_string(layer.stride));
  if (layer.kernel > std::min(in.rows, in.columns))
    refuse(name + ": windows of " + std::to_string(layer.kernel) + " do not fit into images of shape (" + in.text() +
           ")");
  op.out = in;
  op.out.rows = (in.rows - layer.kernel) / layer.stride + 1;
  op.out.columns = (in.columns - layer.kernel) / layer.stride + 1;
  if (layer.kind != LayerSpec::Kind::conv2d) return;
  check_units("Conv2d.channels", layer.outputs);
  op.out.channels = layer.outputs;
  const double window = (double)layer.kernel * layer.kernel;
  if (window * in.channels > 1 << 30 || window * layer.outputs > 1 << 30 ||
      (double)op.out.rows * op.out.columns * layer.outputs > 1 << 30)
    refuse("Conv2d: too large");
  op.filters = matrix(layer, "Conv2d", in.channels * (int)window, layer.outputs * (int)window);
}

}  // namespace

std::string Shape::text() const {
  if (!image) return std::to_string(size());
  return std::to_string(channels) + ", " + std::to_string(rows) + ", " + std::to_string(columns);
}

Plan::Plan(Spec s) : spec(std::move(s)) {
  int index = 0;
  bool chosen = false;
#define STREAMDL_CHOOSE(Rule)                             \
  if (!chosen) chosen = choose<base::Rule>(*this, index); \
  ++index;
  STREAMDL_OPTIMIZERS(STREAMDL_CHOOSE)
#undef STREAMDL_CHOOSE
  if (!chosen) refuse("optimizer: no rule is called '" + spec.optimizer.name + "'");

  lay_out_layers();
  if (dense.empty()) refuse("network: expected at least one Linear layer");
  if (rule.one_output && (spec.loss != Loss::squared_error || boundaries.back().sent != 1))
    refuse("optimizer: " + std::string(rule.name) + " is about the error of one output: it needs one output and " +
           "loss=\"squared_error\", got " + std::to_string(boundaries.back().sent) + " outputs" +
           (spec.loss != Loss::squared_error ? " and another loss" : ""));
  for (size_t b = 0; b < boundaries.size(); ++b) {
    Boundary& boundary = boundaries[b];
    bool below = b > 0;  // somebody needs the deltas of what comes in
    bool flat = !below;
    for (UnitOp& op : boundary.ops) {
      op.propagates = below;
      below |= op.parameter >= 0;
      switch (op.spec.kind) {
        case LayerSpec::Kind::activation: flat = kSilentIsFlat[(int)op.spec.activation] || !below; break;
        case LayerSpec::Kind::crelu: flat = true; break;
        case LayerSpec::Kind::fourier:
        case LayerSpec::Kind::prelu:
        case LayerSpec::Kind::adalin:
        case LayerSpec::Kind::layer_norm:
        case LayerSpec::Kind::online_norm:
        case LayerSpec::Kind::input_norm:
        case LayerSpec::Kind::conv2d: flat = !below; break;
        default: break;  // what sends 0 passes no delta to units that are not silent themselves
      }
    }
    boundary.skips = flat;
    const std::vector<UnitOp>& ops = boundary.ops;
    boundary.passes = b + 1 < boundaries.size() && ops.size() == 1 && boundary.skips &&
                      ops[0].spec.kind == LayerSpec::Kind::activation && kActiveIsSteep[(int)ops[0].spec.activation];
  }
  for (size_t b = 0; b < boundaries.size(); ++b) {
    auto name = [&](int parameter, const char* array) {
      array_names.push_back(std::to_string(parameter) + array);
      return (int)array_names.size() - 1;
    };
    if (b > 0) {
      Dense& d = dense[b - 1];
      d.array = name(d.parameter, ".weight");
      if (d.has_bias) name(d.parameter, ".bias");
    }
    for (size_t i = 0; i < boundaries[b].ops.size(); ++i) {
      UnitOp& op = boundaries[b].ops[i];
      if (op.parameter < 0) continue;
      const bool convolves = op.spec.kind == LayerSpec::Kind::conv2d;
      const bool biased = convolves ? op.filters.has_bias : !op.spec.learns_slope();
      op.arrays.push_back({.array = name(op.parameter, ".weight")});
      if (biased) op.arrays.push_back({.array = name(op.parameter, ".bias")});
      if (!convolves) continue;
      op.filters.gain_squared = gain_squared(*this, b, i);
      op.filters.bound = draw_bound(op.filters);
    }
  }
  for (size_t l = 0; l < dense.size(); ++l) {
    dense[l].gain_squared = gain_squared(*this, l + 1, 0);
    dense[l].bound = draw_bound(dense[l]);
  }
  for (const PlasticitySpec& p : spec.plasticity) {
    bool known = false;
#define STREAMDL_CHOOSE(M) known |= add_method<base::M>(*this, p, Method::M);
    STREAMDL_METHODS(STREAMDL_CHOOSE)
#undef STREAMDL_CHOOSE
    if (!known) refuse("plasticity: no method is called '" + p.name + "'");
  }
  bool convolves = false;
  each_matrix([&](const Dense&, uint32_t place) { convolves |= place >= dense.size(); });
  bool paired = false;
  for (const Boundary& b : boundaries) paired |= b.units != b.sent;
  for (const MethodInfo& m : methods) {
    const std::string& name = spec.plasticity[&m - methods.data()].name;
    if (m.kind == Method::SelectiveWeightReinit && convolves)
      refuse("plasticity: " + name + " does not know the weights of a Conv2d yet");
    if (!m.of_units && m.kind != Method::ContinuousContinualBackprop) continue;
    if (convolves) refuse("plasticity: " + name + " does not know the units of a Conv2d yet");
    if (paired) refuse("plasticity: " + name + " does not know units that send two values, as with CReLU and Fourier");
  }
  bool sparse = false;
  for (const Dense& d : dense) sparse |= d.edges > 0;
  for (const MethodInfo& m : methods) {
    const std::string& name = spec.plasticity[&m - methods.data()].name;
    const bool fresh = m.kind == Method::ShrinkAndPerturb && m.options[base::ShrinkAndPerturb::toward] == 2;
    if (sparse && (m.of_units || m.kind == Method::ContinuousContinualBackprop))
      refuse("plasticity: " + name + " regenerates units, and those between sparse layers do not know their incoming " +
             "edges; use Linear layers, or SET, RigL or EdgeUtility");
    if (sparse && (m.kind == Method::SelectiveWeightReinit || fresh))
      refuse("plasticity: " + name + " draws weights unit by unit, and those between sparse layers do not know their " +
             "incoming edges");
  }
  if (edge_methods && !sparse)
    refuse("plasticity: SET, RigL and EdgeUtility move the edges of SparseLinear layers, and the network has none");
  if (rule.descends_output && method(Method::L2Init))
    refuse("plasticity: L2Init adds to the gradient of a loss, and " + std::string(rule.name) + " follows an output's");
  if (const MethodInfo* m = method(Method::ShrinkAndPerturb))
    if (m->options[base::ShrinkAndPerturb::scaled_by_step_size] && hyper_names[0].name != "step_size")
      refuse("ShrinkAndPerturb.scaled_by_step_size: " + std::string(rule.name) + " has no step_size");
  if (spec.threads < 1 || spec.threads > 64) refuse("threads: expected 1 to 64, got " + std::to_string(spec.threads));
  if (spec.silent_rows != SilentRows::visited) check_silent_rows();
  const std::vector<double> values = initial_hyper();
  for (size_t i = 0; i < values.size(); ++i) {
    const std::string wrong = check_hyper(i, values[i]);
    if (!wrong.empty()) refuse(wrong);
  }
  spec.twice ? lay_out_as<double>() : lay_out_as<float>();
}

// Methods must leave silent rows alone, but for units that are born again now and then.
void Plan::check_silent_rows() const {
  const std::string mode = leaps() ? "silent_rows=\"closed_form\": " : "silent_rows=\"lazy\": ";
  if (rule.cannot_wait && !(leaps() && rule.silent))
    refuse(mode + rule.name + " " + rule.cannot_wait +
           (rule.silent ? "; silent_rows=\"closed_form\" makes up for that" : ""));
  const bool draws = leaps() && (rule.uses_noise || method(Method::ShrinkAndPerturb));
  bool regenerates = false;
  for (const MethodInfo& m : methods) {
    const std::string& name = spec.plasticity[&m - methods.data()].name;
    switch (m.kind) {
      case Method::L2Init: break;
      case Method::WeightClipping:
        if (regenerates) refuse(mode + name + " looks at all weights where it follows another method; put it first");
        if (draws || (leaps() && rule.cannot_wait))
          refuse(mode + name + " leaves no closed form to " + (draws ? "noise" : rule.name));
        break;
      case Method::ShrinkAndPerturb:
        if (!leaps()) refuse(mode + name + " visits all weights itself; silent_rows=\"closed_form\" makes up for that");
        if (m.options[base::ShrinkAndPerturb::toward] != 0)
          refuse(mode + name + " needs toward=\"zero\", the one with a closed form");
        if (!rule.silent || rule.field_count || rule.uses_noise)
          refuse(mode + name + " needs SGD without momentum, the rule that leaves it a closed form");
        if (regenerates) refuse(mode + name + " would change units that are just born; put it first");
        break;
      case Method::ContinualBackprop:
        if (utility() != Utility::contribution)
          refuse(mode + name + " needs utility=\"contribution\", the one that takes no sums from silent rows");
        if (draws) refuse(mode + name + " needs sums of weights whose noise waits to be drawn");
        regenerates = true;
        break;
      case Method::ReDo:
      case Method::SelfNormalizedReset: regenerates = true; break;
      default: refuse(mode + name + " visits all weights itself");
    }
  }
}

// The layers as dense ones and operations between them.
void Plan::lay_out_layers() {
  using Kind = LayerSpec::Kind;
  Shape shape = input_shape(spec.inputs);
  boundaries.emplace_back().units = shape.size();
  int parameter = 0;
  bool computed = false;  // what the user gives as an image, a Linear takes as it lies
  for (const LayerSpec& layer : spec.layers) {
    const std::string name = name_of(layer);
    const bool linear = layer.kind == Kind::linear || layer.kind == Kind::sparse_linear;
    const bool of_vectors = linear || layer.kind == Kind::layer_norm || layer.kind == Kind::online_norm ||
                            layer.kind == Kind::crelu || layer.kind == Kind::fourier || layer.learns_slope();
    if (shape.image && computed && of_vectors)
      refuse(name + ": expected a vector, got images of shape (" + shape.text() + "): put a Flatten before it");
    const bool of_inputs = layer.kind == Kind::input_norm;
    if (of_inputs && &layer != &spec.layers[0]) refuse("InputNorm: expected as the first layer, got one behind others");
    computed = !of_inputs;
    if (linear) {
      check_units((name + ".outputs").c_str(), layer.outputs);
      boundaries.back().sent = shape.size();
      Dense d = layer.kind == Kind::linear ? matrix(layer, "Linear", shape.size(), layer.outputs)
                                           : sparse_matrix(layer, shape.size());
      d.parameter = parameter++;
      dense.push_back(d);
      shape = {1, 1, layer.outputs, false};
      boundaries.emplace_back().units = layer.outputs;
      continue;
    }
    if (!(layer.rate >= 0 && layer.rate < 1))
      refuse("Dropout.rate: expected at least 0 and below 1, got " + std::to_string(layer.rate));
    if (layer.kind == Kind::flatten) {  // channel, row, column: as it lies
      shape = {1, 1, shape.size(), false};
      continue;
    }
    UnitOp op;
    op.spec = layer;
    op.in = op.out = shape;
    if (layer.kind == Kind::conv2d || layer.kind == Kind::max_pool2d || layer.kind == Kind::avg_pool2d)
      slide_windows(op);
    if (layer.kind == Kind::crelu || layer.kind == Kind::fourier) op.out = {1, 1, 2 * shape.size(), false};
    check_units(name.c_str(), op.out.size());
    if (of_inputs && !(layer.epsilon > 0 && layer.epsilon <= 1e30))
      refuse("InputNorm.epsilon: expected a number above 0, got " + std::to_string(layer.epsilon));
    for (double decay : {layer.decay, layer.control_decay})
      if (!(decay >= 0 && decay < 1) && !(of_inputs && decay == 1))
        refuse(name + ": expected decays of at least 0 and below 1, got " + std::to_string(decay));
    if (!(std::abs(layer.start) <= 1e30))
      refuse(name + ".start: expected a number, got " + std::to_string(layer.start));
    const bool norm = layer.kind == Kind::layer_norm || layer.kind == Kind::online_norm;
    if (layer.kind == Kind::conv2d || layer.learns_slope() || (norm && layer.affine)) op.parameter = parameter++;
    if (layer.kind == Kind::online_norm) op.states = {{"mean", 0}, {"variance", 1}, {"u", 0}, {"v", 0}};
    if (of_inputs) op.states = {{"mean", 0, true}, {"variance", 0, true}, {"count", 0, true}};
    shape = op.out;
    boundaries.back().ops.push_back(op);
  }
  boundaries.back().sent = shape.size();
}

std::vector<double> Plan::initial_hyper() const {
  std::vector<double> values = spec.optimizer.hyper;
  for (const PlasticitySpec& p : spec.plasticity) values.insert(values.end(), p.hyper.begin(), p.hyper.end());
  return values;
}

std::string Plan::check_hyper(size_t index, double value) const {
  const Named& h = hyper_names[index];
  const std::string wrong = wrong_value(h, value, spec.twice);
  if (!wrong.empty()) return wrong;
  if (index < (size_t)optimizer_hypers()) {
    std::vector<double> values = spec.optimizer.hyper;
    values[index] = value;
    if (!rule.serves(values.data(), options.data()))
      return h.name + ": " + std::to_string(value) + " needs other state than " +
             std::to_string(spec.optimizer.hyper[index]) + "; build a new learner";
  }
  return {};
}

}  // namespace streamdl
