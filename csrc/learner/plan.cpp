#include "learner/plan.h"

#include <cmath>
#include <limits>
#include <sstream>
#include <stdexcept>

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
  r.sums = Rule::sums;
  r.silent_rows_rest = Rule::silent_rows_rest;
  r.uses_sensitivity = Rule::uses_sensitivity;
  r.uses_noise = Rule::uses_noise;
  r.descends_output = Rule::descends_output;
  r.unit_moves_silent = Rule::unit_moves_silent;
  r.serves = &Rule::serves;
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
  MethodInfo info{kind, (int)plan.hyper_names.size(), {}};
  for (int i = 0; i < M::option_count; ++i) info.options.push_back(choice(name, M::options[i], p.options[i]));
  for (const auto& h : M::hypers) {
    Named named{std::string(name) + "." + h.name, h.low, h.high, h.low_open, h.high_open};
    named.whole = h.kind == base::HyperParameter::Kind::whole;
    named.none = named.whole && h.standard == 0;
    plan.hyper_names.push_back(named);
  }
  plan.methods.push_back(info);
  plan.unit_methods += M::of_units;
  return true;
}

double gain_squared(const Plan& plan, size_t boundary) {
  if (boundary + 1 == plan.boundaries.size()) return 1;  // the output layer
  for (const UnitOp& op : plan.boundaries[boundary].ops)
    if (op.spec.kind == LayerSpec::Kind::activation) return kGainSquared[(int)op.spec.activation];
  return 1;
}

// Half the width of the uniform draw of incoming weights.
double draw_bound(const Dense& d) {
  switch (d.init) {
    case Init::lecun_uniform: return std::sqrt(3.0 / d.inputs);
    case Init::xavier_uniform: return std::sqrt(6.0 / (d.inputs + d.outputs));
    case Init::standard: return 1 / std::sqrt((double)d.inputs);
    case Init::sparse: return 1 / std::sqrt((double)d.inputs);
    default: return std::sqrt(d.gain_squared * 3.0 / d.inputs);
  }
}

}  // namespace

Plan::Plan(Spec s) : spec(std::move(s)) {
  check_units("inputs", spec.inputs);
  int index = 0;
  bool chosen = false;
#define STREAMDL_CHOOSE(Rule)                             \
  if (!chosen) chosen = choose<base::Rule>(*this, index); \
  ++index;
  STREAMDL_OPTIMIZERS(STREAMDL_CHOOSE)
#undef STREAMDL_CHOOSE
  if (!chosen) refuse("optimizer: no rule is called '" + spec.optimizer.name + "'");

  boundaries.emplace_back().units = spec.inputs;
  int parameter = 0;
  for (const LayerSpec& layer : spec.layers) {
    if (layer.kind == LayerSpec::Kind::linear) {
      check_units("Linear.outputs", layer.outputs);
      if (!(layer.sparsity >= 0 && layer.sparsity <= 1))
        refuse("Linear.sparsity: expected 0 to 1, got " + std::to_string(layer.sparsity));
      Dense d;
      d.inputs = boundaries.back().units;
      d.outputs = layer.outputs;
      d.parameter = parameter++;
      d.has_bias = layer.bias;
      d.init = layer.init;
      d.sparsity = layer.sparsity;
      dense.push_back(d);
      boundaries.emplace_back().units = layer.outputs;
    } else {
      if (!(layer.rate >= 0 && layer.rate < 1))
        refuse("Dropout.rate: expected at least 0 and below 1, got " + std::to_string(layer.rate));
      UnitOp op{layer};
      if (layer.kind == LayerSpec::Kind::layer_norm && layer.affine) op.parameter = parameter++;
      boundaries.back().ops.push_back(op);
    }
  }
  if (dense.empty()) refuse("network: expected at least one Linear layer");
  if (rule.descends_output && (spec.loss != Loss::squared_error || boundaries.back().units != 1))
    refuse("optimizer: " + std::string(rule.name) + " follows the gradient of one output: it needs one output and " +
           "loss=\"squared_error\", got " + std::to_string(boundaries.back().units) + " outputs" +
           (spec.loss != Loss::squared_error ? " and another loss" : ""));
  for (size_t b = 0; b < boundaries.size(); ++b) {
    Boundary& boundary = boundaries[b];
    bool flat = b == 0, propagates = false;
    for (const UnitOp& op : boundary.ops) {
      propagates |= op.parameter >= 0;
      if (op.spec.kind == LayerSpec::Kind::activation) flat = kSilentIsFlat[(int)op.spec.activation];
      if (op.spec.kind == LayerSpec::Kind::layer_norm) flat = false;
    }
    boundary.skips = flat && !(b == 0 && propagates);
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
    for (UnitOp& op : boundaries[b].ops)
      if (op.parameter >= 0) {
        op.array = name(op.parameter, ".weight");
        name(op.parameter, ".bias");
      }
  }
  for (size_t l = 0; l < dense.size(); ++l) {
    dense[l].gain_squared = gain_squared(*this, l + 1);
    dense[l].bound = draw_bound(dense[l]);
  }
  for (const PlasticitySpec& p : spec.plasticity) {
    bool known = false;
#define STREAMDL_CHOOSE(M) known |= add_method<base::M>(*this, p, Method::M);
    STREAMDL_METHODS(STREAMDL_CHOOSE)
#undef STREAMDL_CHOOSE
    if (!known) refuse("plasticity: no method is called '" + p.name + "'");
  }
  if (rule.descends_output && method(Method::L2Init))
    refuse("plasticity: L2Init adds to the gradient of a loss, and " + std::string(rule.name) + " follows an output's");
  if (spec.threads < 1 || spec.threads > 64) refuse("threads: expected 1 to 64, got " + std::to_string(spec.threads));
  const std::vector<double> values = initial_hyper();
  for (size_t i = 0; i < values.size(); ++i) {
    const std::string wrong = check_hyper(i, values[i]);
    if (!wrong.empty()) refuse(wrong);
  }
  spec.twice ? lay_out_as<double>() : lay_out_as<float>();
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

// Places every array of the state in one block, each on a 64-byte boundary, and names it.
template <class T>
void Plan::lay_out_as() {
  const Type type = sizeof(T) == 4 ? Type::f32 : Type::f64;
  auto place = [&](size_t size) {
    const size_t at = bytes;
    const size_t room = (size + kAlignment - 1) / kAlignment * kAlignment;
    if (room < size || bytes + room < bytes || bytes + room > (size_t)1 << 46) refuse("network: too large");
    bytes += room;
    return at;
  };
  auto vector = [&](const std::string& name, Type t, size_t count, size_t offset, bool is_parameter = false) {
    entries.push_back({name, t, {count}, {bytes_of(t)}, offset, is_parameter});
  };
  auto scalar = [&](const std::string& name, Type t, size_t count = 1) {
    const size_t at = place(bytes_of(t) * count);
    vector(name, t, count, at);
    return at;
  };
  steps = scalar("steps", Type::u64);
  updates = scalar("updates", Type::u64);
  seed = scalar("seed", Type::u64);
  hyper = scalar("hyperparameters", Type::f64, hyper_names.size());

  for (Boundary& boundary : boundaries) boundary.padded = padded<T>(boundary.units);
  auto affine = [&](UnitOp& op, int units, int width) {
    const std::string stem = std::to_string(op.parameter);
    for (bool gain : {true, false}) {
      const size_t at = place(sizeof(T) * width * (1 + rule.field_count));
      (gain ? op.gain : op.shift) = at;
      const std::string name = stem + (gain ? ".weight" : ".bias");
      vector(name, type, units, at, true);
      for (int f = 0; f < rule.field_count; ++f)
        vector(name + "." + rule.fields[f].name, type, units, at + sizeof(T) * width * (f + 1));
    }
  };
  size_t weights = 0;  // bytes
  for (size_t b = 0; b < boundaries.size(); ++b) {
    if (b > 0) {
      Dense& d = dense[b - 1];
      // Sparse inputs of several outputs are better off with rows: one line per active input.
      d.by_output = b == dense.size() && (d.outputs == 1 || (b > 1 && d.outputs <= kFewOutputs));
      d.columns = padded<T>(d.by_output ? d.inputs : d.outputs);
      d.vectors = (d.by_output ? d.outputs : d.inputs) + 1;
      const bool anchored = method(Method::L2Init);
      d.vector_stride = (size_t)d.columns * (1 + rule.field_count + anchored);
      if (anchored) d.anchor = (ptrdiff_t)d.columns * (1 + rule.field_count);
      // Rows whose distance is a multiple of 2 KB share cache sets: set them a line apart.
      if (d.vector_stride * sizeof(T) % 2048 == 0) d.vector_stride += kLanes<T>;
      d.row_stride = d.by_output ? 1 : d.vector_stride;
      d.output_stride = d.by_output ? d.vector_stride : 1;
      if ((size_t)d.vectors + 1 > ((size_t)1 << 44) / (d.vector_stride * sizeof(T))) refuse("network: too large");
      d.weights = place(d.vector_stride * sizeof(T) * ((size_t)d.vectors + 1));  // the last one holds zeros
      const size_t bytes = d.row_stride * sizeof(T) * d.inputs;
      if (bytes > (size_t)512 << 10) d.level = Level::far;
      weights += bytes;
      const std::string stem = std::to_string(d.parameter);
      for (int f = -1; f < rule.field_count + anchored; ++f) {
        const std::string suffix =
            f < 0 ? "" : std::string(".") + (f < rule.field_count ? rule.fields[f].name : "first_value");
        const size_t at = d.weights + sizeof(T) * d.columns * (f + 1);
        entries.push_back({stem + ".weight" + suffix,
                           type,
                           {(size_t)d.inputs, (size_t)d.outputs},
                           {d.row_stride * sizeof(T), d.output_stride * sizeof(T)},
                           at,
                           f < 0});
        if (d.has_bias)
          vector(stem + ".bias" + suffix, type, d.outputs, at + d.vector_stride * sizeof(T) * (d.vectors - 1), f < 0);
      }
    }
    for (UnitOp& op : boundaries[b].ops)
      if (op.parameter >= 0) affine(op, boundaries[b].units, boundaries[b].padded);
    for (int k = 0; k < rule.clock_count; ++k)
      boundaries[b].clock[k] = scalar("units." + std::to_string(b) + "." + hyper_names[rule.clocks[k]].name + "_power",
                                      Type::f64, boundaries[b].units);
  }
  // What weights share.
  const bool of_arrays = rule.sums.count > 0 && rule.sums.scope == base::Scope::array;
  shared = place(sizeof(double) * rule.shared_count * (of_arrays ? array_names.size() : 1));
  for (size_t a = 0; a < (of_arrays ? array_names.size() : 1); ++a)
    for (int i = 0; i < rule.shared_count; ++i)
      vector((of_arrays ? array_names[a] : rule.name) + "." + rule.shared[i].name, Type::f64, 1,
             shared + sizeof(double) * (a * rule.shared_count + i));
  for (Dense& d : dense)
    if (d.level == Level::far && weights > (size_t)24 << 20) d.level = Level::memory;
  if (!unit_methods) return;
  const bool resets = method(Method::SelfNormalizedReset), redo = method(Method::ReDo);
  const bool utilities = method(Method::ContinualBackprop);
  if (redo) examples = scalar("ReDo.examples", Type::u64);
  if (utilities)
    incoming_sums = utility() == Utility::adaptation || utility() == Utility::adaptable_contribution ||
                    utility() == Utility::feature_by_input;
  for (size_t h = 0; h + 1 < dense.size(); ++h) {
    const int units = dense[h].outputs;
    auto name = [&](const char* of, const char* what) {
      return std::string(of) + "." + std::to_string(h) + "." + what;
    };
    auto unit_vector = [&](const std::string& array) {
      const size_t at = place(sizeof(T) * padded<T>(units));
      vector(array, type, units, at);
      return at;
    };
    UnitState u;
    u.birth = scalar(name("hidden", "birth"), Type::u64, units);
    u.replacements = scalar(name("hidden", "replacements"), Type::u64);
    if (utilities) {
      const char* of = "ContinualBackprop";
      u.utility = unit_vector(name(of, "utility"));
      u.mean_activation = unit_vector(name(of, "mean_activation"));
      if (incoming_sums) u.incoming_sum = unit_vector(name(of, "incoming_sum"));
      u.decay_power = scalar(name(of, "decay_power"), Type::f64, units);
      u.counter = scalar(name(of, "counter"), Type::f64);
    }
    if (redo) u.magnitude = unit_vector(name("ReDo", "magnitude"));
    if (resets) {
      const char* of = "SelfNormalizedReset";
      const size_t bins = base::SelfNormalizedReset::kBins;
      u.silence = scalar(name(of, "silence"), Type::u64, units);
      u.longer = scalar(name(of, "longer"), Type::u64, units);
      u.past = scalar(name(of, "past"), Type::u64, units);
      u.histogram = place(sizeof(uint64_t) * bins * units);
      entries.push_back({name(of, "histogram"),
                         Type::u64,
                         {(size_t)units, bins},
                         {sizeof(uint64_t) * bins, sizeof(uint64_t)},
                         u.histogram,
                         false});
    }
    hidden.push_back(u);
  }
}

}  // namespace streamdl
