// Where every array of a plan's state lies.
#include <stdexcept>

#include "learner/plan.h"

namespace streamdl {

// Places every array of the state in one block, each on a 64-byte boundary, and names it.
template <class T>
void Plan::lay_out_as() {
  const Type type = sizeof(T) == 4 ? Type::f32 : Type::f64;
  auto place = [&](size_t size) {
    const size_t at = bytes;
    const size_t room = (size + kAlignment - 1) / kAlignment * kAlignment;
    if (room < size || bytes + room < bytes || bytes + room > (size_t)1 << 46)
      throw std::invalid_argument("network: too large");
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
  const bool slow = method(Method::HareAndTortoise);
  // [w | field 0 | ... | what methods keep] per vector, and a vector of zeros behind the bias. `inputs` is the shape of the
  // inputs of one output.
  auto place_matrix = [&](Dense& d, int parameter, const std::vector<size_t>& inputs) {
    d.vectors = (d.by_output ? d.outputs : d.inputs) + 1;
    d.columns = padded<T>(d.length_of(0));
    d.bias_columns = d.edges ? padded<T>(d.outputs) : d.columns;
    std::vector<const char*> beside;
    for (int f = 0; f < rule.field_count; ++f) beside.push_back(rule.fields[f].name);
    auto keep = [&](const char* name, bool wanted, ptrdiff_t& offset) {
      if (wanted) beside.push_back(name), offset = (ptrdiff_t)d.columns * (ptrdiff_t)beside.size();
    };
    keep("first_value", keeps_first_values(), d.anchor);
    keep("slow", slow, d.slow);
    keep("reinit_utility", method(Method::SelectiveWeightReinit), d.worth);
    keep("edge_utility", d.edges && method(Method::EdgeUtility), d.worth);
    d.vector_stride = (size_t)d.columns * (1 + beside.size());
    // Rows whose distance is a multiple of 2 KB share cache sets: set them a line apart.
    if (d.vector_stride * sizeof(T) % 2048 == 0) d.vector_stride += kLanes<T>;
    d.row_stride = d.by_output ? 1 : d.vector_stride;
    d.output_stride = d.by_output ? d.vector_stride : 1;
    if ((size_t)d.vectors + 1 > ((size_t)1 << 44) / (d.vector_stride * sizeof(T)))
      throw std::invalid_argument("network: too large");
    // Behind the bias lies the spare row, or the rest of a sparse layer's bias.
    const size_t behind = d.edges ? (size_t)d.bias_columns * (1 + beside.size()) : 2 * d.vector_stride;
    d.weights = place((d.vector_stride * ((size_t)d.vectors - 1) + behind) * sizeof(T));
    std::vector<size_t> shape = inputs, strides(inputs.size() + 1, d.output_stride * sizeof(T));
    shape.push_back(d.edges ? d.edges : d.outputs);
    size_t stride = d.row_stride * sizeof(T);
    for (size_t i = inputs.size(); i-- > 0; stride *= inputs[i]) strides[i] = stride;
    const std::string stem = std::to_string(parameter);
    for (int f = -1; f < (int)beside.size(); ++f) {
      const std::string suffix = f < 0 ? "" : std::string(".") + beside[f];
      const size_t at = d.weights + sizeof(T) * d.columns * (f + 1);
      entries.push_back({stem + ".weight" + suffix, type, shape, strides, at, f < 0});
      const size_t bias = d.vector_stride * (d.vectors - 1) + (size_t)d.bias_columns * (f + 1);
      if (d.has_bias && (f < 0 || d.columns * (f + 1) != d.worth))
        vector(stem + ".bias" + suffix, type, d.outputs, d.weights + sizeof(T) * bias, f < 0);
    }
    if (method(Method::NormalizeAndProject)) d.norm = scalar("NormalizeAndProject." + stem + ".first_norm", Type::f64);
    if (method(Method::SelectiveWeightReinit)) d.due = scalar("SelectiveWeightReinit." + stem + ".due", Type::f64);
    if (!d.edges) return;
    d.target_stride = padded<float>(d.blocks());
    d.targets = place(sizeof(int32_t) * d.target_stride * (size_t)d.inputs);
    entries.push_back({stem + ".targets",
                       Type::i32,
                       {(size_t)d.inputs, (size_t)d.blocks()},
                       {sizeof(int32_t) * d.target_stride, sizeof(int32_t)},
                       d.targets,
                       false,
                       true});
  };
  auto place_clocks = [&](size_t* clock, const std::string& units, size_t count) {
    for (int k = 0; k < rule.clock_count; ++k)
      clock[k] = scalar(units + "." + hyper_names[rule.clocks[k]].name + "_power", Type::f64, count);
  };
  auto place_filters = [&](UnitOp& op) {
    Dense& d = op.filters;
    const size_t window = op.spec.kernel;
    place_matrix(d, op.parameter, {(size_t)op.in.channels, window, window});
    for (Parameters& p : op.arrays) {
      const bool bias = &p != op.arrays.data();
      p.rows = bias ? 1 : d.inputs;
      p.used = d.outputs;
      p.columns = d.columns;
      p.row_stride = d.vector_stride;
      p.offset = d.weights + (bias ? d.inputs * d.vector_stride * sizeof(T) : 0);
      p.anchor = d.anchor;
    }
    op.clocked = d.outputs;
    place_clocks(op.clock, "channels." + std::to_string(op.parameter), d.outputs);
  };
  auto place_units = [&](UnitOp& op) {
    for (Parameters& p : op.arrays) {
      const bool gain = &p == op.arrays.data();
      p.used = op.out.size();
      p.columns = padded<T>(p.used);
      p.offset = place(sizeof(T) * p.columns * (1 + rule.field_count + slow));
      p.of_units = true;
      p.start = op.spec.learns_slope() ? op.spec.start : gain;
      const std::string name = std::to_string(op.parameter) + (gain ? ".weight" : ".bias");
      vector(name, type, p.used, p.offset, true);
      for (int f = 0; f < rule.field_count; ++f)
        vector(name + "." + rule.fields[f].name, type, p.used, p.offset + sizeof(T) * p.columns * (f + 1));
      if (slow) vector(name + ".slow", type, p.used, p.offset + sizeof(T) * p.columns * (rule.field_count + 1));
    }
  };
  size_t weights = 0;  // bytes
  for (size_t b = 0; b < boundaries.size(); ++b) {
    if (b > 0) {
      Dense& d = dense[b - 1];
      // Sparse inputs of several outputs are better off with rows: one line per active input.
      d.by_output = !d.edges && b == dense.size() && (d.outputs == 1 || (b > 1 && d.outputs <= kFewOutputs));
      place_matrix(d, d.parameter, {(size_t)d.inputs});
      const size_t bytes = d.row_stride * sizeof(T) * d.inputs;
      if (bytes > (size_t)512 << 10) d.level = Level::far;
      weights += bytes;
    }
    if (b > 0 && b < dense.size() && method(Method::ContinuousContinualBackprop)) {
      dense[b - 1].partial_utility = place(sizeof(T) * boundaries[b].padded);
      vector("ContinuousContinualBackprop." + std::to_string(b - 1) + ".utility", type, boundaries[b].units,
             dense[b - 1].partial_utility);
    }
    for (UnitOp& op : boundaries[b].ops) {
      if (op.spec.kind == LayerSpec::Kind::conv2d) place_filters(op);
      else if (op.parameter >= 0) place_units(op);
      for (UnitNumber& number : op.states) {
        const std::string stem = "units." + std::to_string(b) + "." + std::to_string(&op - boundaries[b].ops.data());
        number.offset = place((number.twice ? sizeof(double) : sizeof(T)) * padded<T>(op.in.size()));
        vector(stem + "." + number.name, number.twice ? Type::f64 : type, op.in.size(), number.offset);
      }
    }
    place_clocks(boundaries[b].clock, "units." + std::to_string(b), boundaries[b].clocked());
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
  if (method(Method::Imprinting)) mean_error = scalar("Imprinting.mean_error", Type::f64);
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
      if (incoming_sums) {
        u.incoming_sum = unit_vector(name(of, "incoming_sum"));
        u.incoming_peak = unit_vector(name(of, "incoming_peak"));
      }
      u.decay_power = scalar(name(of, "decay_power"), Type::f64, units);
      u.counter = scalar(name(of, "counter"), Type::f64);
    }
    if (redo) u.magnitude = unit_vector(name("ReDo", "magnitude"));
    if (resets) {
      const char* of = "SelfNormalizedReset";
      const size_t bins = base::SelfNormalizedReset::kBins;
      u.fired = scalar(name(of, "fired"), Type::u64, units);
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

template void Plan::lay_out_as<float>();
template void Plan::lay_out_as<double>();

}  // namespace streamdl
