// The Python door: convert, check, release the GIL, call.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <stdexcept>

#include "bindings/arrays.h"
#include "kernels/dispatch.h"
#include "learner/file.h"
#include "learner/learner.h"
#include "learner/safetensors.h"
#include "rules/activations.h"
#include "rules/optimizers/list.h"
#include "rules/units/continual_backprop.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace streamdl {
namespace {

// Becomes streamdl.BusyError.
struct Busy : std::runtime_error {
  using std::runtime_error::runtime_error;
};

//---------------------------------------------------------------------------- names

int position(const std::vector<std::string>& names, const std::string& name, const char* field) {
  std::string choices;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return (int)i;
    choices += (i ? ", " : "") + names[i];
  }
  throw nb::value_error((std::string(field) + ": '" + name + "' is not known; expected one of " + choices).c_str());
}

std::vector<std::string> activation_names() {
#define STREAMDL_NAME(A, name, gain) name,
  return {STREAMDL_ACTIVATIONS(STREAMDL_NAME)};
#undef STREAMDL_NAME
}
std::vector<std::string> utility_names() {
#define STREAMDL_NAME(U, name) name,
  return {STREAMDL_UTILITIES(STREAMDL_NAME)};
#undef STREAMDL_NAME
}
std::vector<std::string> loss_names() { return {"squared_error", "cross_entropy", "binary_cross_entropy", "huber"}; }
std::vector<std::string> init_names() {
  return {"kaiming_uniform", "kaiming_normal", "lecun_uniform", "xavier_uniform", "default", "sparse", "zeros"};
}

//---------------------------------------------------------------------------- spec

template <class R>
R get(const nb::dict& d, const char* key) { return nb::cast<R>(d[key]); }

Spec spec_from(const nb::dict& d) {
  Spec s;
  s.inputs = get<int>(d, "inputs");
  for (nb::handle item : get<nb::list>(d, "layers")) {
    const nb::dict layer = nb::cast<nb::dict>(item);
    const std::string kind = get<std::string>(layer, "kind");
    LayerSpec l{};
    if (kind == "linear") {
      l.kind = LayerSpec::Kind::linear;
      l.outputs = get<int>(layer, "outputs");
      l.bias = get<bool>(layer, "bias");
      l.init = (Init)position(init_names(), get<std::string>(layer, "init"), "init");
      l.sparsity = get<double>(layer, "sparsity");
    } else if (kind == "activation") {
      l.kind = LayerSpec::Kind::activation;
      l.activation = (Activation)position(activation_names(), get<std::string>(layer, "name"), "activation");
    } else if (kind == "layer_norm") {
      l.kind = LayerSpec::Kind::layer_norm;
      l.affine = get<bool>(layer, "affine");
    } else {
      l.kind = LayerSpec::Kind::dropout;
      l.rate = get<double>(layer, "rate");
    }
    s.layers.push_back(l);
  }
  s.loss = (Loss)position(loss_names(), get<std::string>(d, "loss"), "loss");
  const nb::dict optimizer = get<nb::dict>(d, "optimizer");
  s.optimizer = {get<std::string>(optimizer, "name"), get<std::vector<double>>(optimizer, "hyper"),
                 get<bool>(optimizer, "exact_sensitivity")};
  for (nb::handle item : get<nb::list>(d, "plasticity")) {
    const nb::dict p = nb::cast<nb::dict>(item);
    PlasticitySpec q{};
    if (get<std::string>(p, "name") == "ContinualBackprop") {
      q.kind = PlasticitySpec::Kind::continual_backprop;
      q.replacement_rate = get<double>(p, "replacement_rate");
      q.maturity = get<double>(p, "maturity");
      q.decay = get<double>(p, "decay");
      q.utility = (Utility)position(utility_names(), get<std::string>(p, "utility"), "utility");
      q.max_per_step = get<double>(p, "max_per_step");
      q.transfer_bias = get<bool>(p, "transfer_bias");
    } else {
      q.kind = PlasticitySpec::Kind::shrink_and_perturb;
      q.shrink = get<double>(p, "shrink");
      q.noise = get<double>(p, "noise");
    }
    s.plasticity.push_back(q);
  }
  s.seed = get<uint64_t>(d, "seed");
  s.twice = get<bool>(d, "twice");
  s.threads = get<int>(d, "threads");
  return s;
}

//---------------------------------------------------------------------------- checkpoints

// A file or bytes, parsed and checked; arrays point into `bytes`.
struct Checkpoint {
  std::vector<uint8_t> bytes;
  container::Container parsed;

  explicit Checkpoint(std::vector<uint8_t> b) : bytes(std::move(b)) {
    container::Error error;
    if (container::parse(bytes.data(), bytes.size(), parsed, error) != container::Status::ok)
      throw nb::value_error(error.message);
  }
};

container::DType dtype_of(Type t) {
  return t == Type::f32 ? container::DType::F32 : t == Type::f64 ? container::DType::F64 : container::DType::U64;
}

std::vector<uint64_t> shape_of(const FieldEntry& e) { return {e.shape.begin(), e.shape.end()}; }

void compare(const Plan& plan, const Checkpoint& c) {
  std::map<std::string_view, const container::TensorView*> found;
  for (const auto& t : c.parsed.tensors) found[t.name] = &t;
  for (const FieldEntry& e : plan.entries) {
    const auto it = found.find(e.name);
    if (it == found.end()) throw nb::value_error(("checkpoint: the array '" + e.name + "' is missing").c_str());
    if (it->second->dtype != dtype_of(e.type) || it->second->shape != shape_of(e))
      throw nb::value_error(("checkpoint: the array '" + e.name + "' has another shape or type than its learner").c_str());
  }
  if (found.size() != plan.entries.size()) throw nb::value_error("checkpoint: it holds arrays that its learner does not have");
}

//---------------------------------------------------------------------------- learner

struct PyLearner {
  std::shared_ptr<Learner> learner;
  std::shared_ptr<std::atomic<int>> views = std::make_shared<std::atomic<int>>(0);
  int inputs, outputs;
  bool twice, classes, small;

  PyLearner(const nb::dict& spec, const Checkpoint* checkpoint) {
    std::shared_ptr<const Plan> plan;
    try {
      Spec s = spec_from(spec);
      // A hostile description must not cost much more than its file: every dense layer has an array there.
      size_t dense = 0;
      for (const LayerSpec& l : s.layers) dense += l.kind == LayerSpec::Kind::linear;
      if (checkpoint && dense > checkpoint->parsed.tensors.size())
        throw std::invalid_argument("checkpoint: it describes more layers than it holds arrays");
      plan = std::make_shared<const Plan>(std::move(s));
    } catch (const std::invalid_argument& e) {
      throw nb::value_error(e.what());
    }
    if (checkpoint) compare(*plan, *checkpoint);
    learner = Learner::build(plan);
    inputs = plan->spec.inputs;
    outputs = plan->boundaries.back().units;
    twice = plan->spec.twice;
    classes = plan->spec.loss == Loss::cross_entropy;
    small = plan->bytes <= (size_t)1 << 18;  // a step takes a few microseconds: not worth releasing the GIL
    if (!checkpoint) return;
    for (const auto& t : checkpoint->parsed.tensors)
      for (const FieldEntry& e : plan->entries)
        if (e.name == t.name) copy_rows(e, [&](std::byte* to, size_t at, size_t n) { std::memcpy(to, t.data + at, n); });
    check_loaded(*plan);
    learner->state_loaded();
  }

  // The numbers of a file must be ones that a learner can have written.
  void check_loaded(const Plan& plan) const {
    const Block& block = *learner->block();
    for (size_t i = 0; i < plan.hyper_names.size(); ++i) {
      const std::string wrong = plan.check_hyper(i, learner->hyper()[i]);
      if (!wrong.empty()) throw nb::value_error(("checkpoint: " + wrong).c_str());
    }
    const uint64_t updates = *block.at<uint64_t>(plan.updates), most = (uint64_t)1 << 62;
    if (updates > most || *block.at<uint64_t>(plan.steps) > most)
      throw nb::value_error("checkpoint: its counters are larger than any learner's");
    for (size_t h = 0; h < plan.hidden.size(); ++h) {
      if (*block.at<uint64_t>(plan.hidden[h].replacements) > most)
        throw nb::value_error("checkpoint: its counters are larger than any learner's");
      for (int k = 0; k < plan.dense[h].outputs; ++k)
        if (block.at<uint64_t>(plan.hidden[h].birth)[k] > updates)
          throw nb::value_error("checkpoint: a unit is younger than its learner");
    }
  }

  template <class F>
  void copy_rows(const FieldEntry& e, F f) {
    e.each_piece([&](size_t at, size_t in_order, size_t bytes) { f(learner->block()->data() + at, in_order, bytes); });
  }

  template <class T> LearnerOf<T>& as() { return static_cast<LearnerOf<T>&>(*learner); }
};

// Holds the learner for one call; a second caller gets BusyError.
struct Hold {
  PyLearner& p;
  explicit Hold(PyLearner& learner) : p(learner) {
    if (!p.learner->enter()) throw Busy("this learner is in use by another thread");
  }
  ~Hold() {
    if (p.views->load()) p.learner->state_touched();  // whoever holds a view may write before the next step
    p.learner->leave();
  }
};

template <class T>
[[noreturn]] void reject(Status status, const T* x, int inputs, const T* y, int outputs, int64_t label, const char* where) {
  const std::string prefix = where;
  auto first = [](const T* v, int n) {
    for (int i = 0; v && i < n; ++i)
      if (!(std::abs(v[i]) <= std::numeric_limits<T>::max())) return i;
    return 0;
  };
  std::string text;
  switch (status) {
    case Status::input_not_finite:
      text = "x" + prefix + "[" + std::to_string(first(x, inputs)) + "]: expected a finite number, got " +
             std::to_string(x[first(x, inputs)]);
      break;
    case Status::target_not_finite:
      text = "y" + prefix + "[" + std::to_string(first(y, outputs)) + "]: expected a finite number, got " +
             std::to_string(y[first(y, outputs)]);
      break;
    case Status::label_out_of_range:
      text = "y" + prefix + ": expected a class from 0 to " + std::to_string(outputs - 1) + ", got " + std::to_string(label);
      break;
    default:
      text = "x" + prefix + ": expected an example whose outputs and update are finite, got an overflow; nothing was learned";
  }
  throw nb::value_error(text.c_str());
}

int64_t label_from(nb::handle y, int outputs) {
  if (PyFloat_Check(y.ptr()) || PyBool_Check(y.ptr()))
    throw nb::type_error(("y: expected a class index (an integer), got " + std::string(nb::repr(y).c_str())).c_str());
  PyObject* index = PyNumber_Index(y.ptr());
  if (!index) {
    PyErr_Clear();
    throw nb::type_error(("y: expected a class index (an integer), got " + std::string(nb::repr(nb::type_name(y.type())).c_str())).c_str());
  }
  int overflow = 0;
  const int64_t label = PyLong_AsLongLongAndOverflow(index, &overflow);
  Py_DECREF(index);
  if (overflow)
    throw nb::value_error(("y: expected a class from 0 to " + std::to_string(outputs - 1) + ", got " + nb::repr(y).c_str()).c_str());
  return label;
}

// One input: an array, or (indices, values).
template <class T>
Input<T> input_from(PyLearner& p, nb::handle x, Vector<T>& xs, Indices& indices) {
  if (!sparse_pair(x)) {
    xs.read(x, p.inputs, "x");
    return {xs.data};
  }
  static const int32_t none = 0;  // stands for "no index at all", which is not "dense"
  indices.read(x, p.inputs);
  xs.read(indices.values, (int)indices.order.size(), "x[1] (values)");
  std::vector<T> sorted(indices.order.size());
  for (size_t i = 0; i < sorted.size(); ++i) sorted[i] = xs.data[indices.order[i]];
  xs.keep(std::move(sorted));
  return {xs.data, indices.sorted.empty() ? &none : indices.sorted.data(), (int)indices.sorted.size()};
}

template <class T>
double step_as(PyLearner& p, nb::handle x, nb::handle y) {
  Hold hold(p);
  Vector<T> xs, ys;
  Indices indices;
  const Input<T> input = input_from(p, x, xs, indices);
  Target<T> target{};
  T single;
  if (p.classes) {
    target.label = label_from(y, p.outputs);
  } else if (p.outputs == 1 && PyFloat_CheckExact(y.ptr())) {
    single = (T)PyFloat_AS_DOUBLE(y.ptr());
    if (std::isinf(single) && !std::isinf(PyFloat_AS_DOUBLE(y.ptr())))
      throw nb::value_error(("y[0]: expected a number that float32 can hold, got " + std::string(nb::repr(y).c_str())).c_str());
    target.values = &single;
  } else {
    ys.read(y, p.outputs, "y");
    target.values = ys.data;
  }
  double loss = 0;
  Status status;
  if (p.small) {
    status = p.as<T>().step(input, target, &loss);
  } else {
    nb::gil_scoped_release release;
    status = p.as<T>().step(input, target, &loss);
  }
  if (status != Status::ok)
    reject<T>(status, input.values, input.indices ? input.count : p.inputs, target.values, p.outputs, target.label, "");
  return loss;
}

// The usual case of a step, without what a general call costs: small, x and y just as the learner stores them.
// False, and nothing changed, in every other case, a rejected example among them.
template <class T>
bool quick_step_as(PyLearner& p, PyObject* x, PyObject* y, double* loss) {
  auto row = [](PyObject* o, int n) -> const T* {
    const PyArrayObject* array = plain_array<T>(o);
    if (!array || PyArray_NDIM(array) != 1 || PyArray_DIMS(const_cast<PyArrayObject*>(array))[0] != n) return nullptr;
    return static_cast<const T*>(PyArray_DATA(const_cast<PyArrayObject*>(array)));
  };
  const Input<T> input{row(x, p.inputs)};
  Target<T> target{};
  T single;
  if (p.classes) {
    if (!PyLong_CheckExact(y)) return false;
    int overflow = 0;
    target.label = PyLong_AsLongLongAndOverflow(y, &overflow);
    if (overflow) return false;
  } else if (p.outputs == 1 && PyFloat_CheckExact(y)) {
    single = (T)PyFloat_AS_DOUBLE(y);
    target.values = &single;
  } else if (!(target.values = row(y, p.outputs))) {
    return false;
  }
  // Nobody can come in before this returns, since the GIL is kept.
  if (!input.values || p.learner->busy()) return false;
  const Status status = p.as<T>().step(input, target, loss);
  if (p.views->load(std::memory_order_relaxed)) p.learner->state_touched();
  return status == Status::ok;
}

PyObject* quick_step(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  if (count == 2 && !names && nb::inst_ready(self)) {
    PyLearner& p = *nb::inst_ptr<PyLearner>(self);
    double loss;
    if (p.small && (p.twice ? quick_step_as<double>(p, args[0], args[1], &loss)
                            : quick_step_as<float>(p, args[0], args[1], &loss)))
      return PyFloat_FromDouble(loss);
  }
  static PyObject* const general = nb::object(nb::type<PyLearner>().attr("step")).release().ptr();
  std::vector<PyObject*> all(args, args + count + (names ? PyTuple_GET_SIZE(names) : 0));
  all.insert(all.begin(), self);
  return PyObject_Vectorcall(general, all.data(), (size_t)count + 1, names);
}

PyMethodDef quick_step_method = {
    "step", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&quick_step)), METH_FASTCALL | METH_KEYWORDS,
    "step($self, x, y)\n--\n\nPredict, then learn from one example; returns the loss before the update."};

template <class T>
nb::object array_of(std::vector<size_t> shape, T** data) {
  size_t count = 1;
  for (size_t s : shape) count *= s;
  *data = new T[count ? count : 1];
  nb::capsule owner(*data, [](void* p) noexcept { delete[] static_cast<T*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, T>(*data, shape.size(), shape.data(), owner));
}

// Examples in order, without Python between them. Signals are looked at every few milliseconds.
template <class T>
nb::object step_many_as(PyLearner& p, nb::handle xs_in, nb::handle ys_in, bool want_outputs) {
  Hold hold(p);
  Vector<T> xs, ys;
  Labels labels;
  const size_t n = xs.read_many(xs_in, p.inputs, "xs");
  if (p.classes) labels.read(ys_in, n);
  else if (const size_t m = ys.read_many(ys_in, p.outputs, "ys"); m != n)
    throw nb::value_error(("ys: expected as many examples as xs (" + std::to_string(n) + "), got " + std::to_string(m)).c_str());
  T *losses, *outputs = nullptr;
  nb::object result = array_of<T>({n}, &losses), predictions;
  if (want_outputs) predictions = array_of<T>({n, (size_t)p.outputs}, &outputs);
  size_t i = 0;
  Status status = Status::ok;
  Target<T> target{};
  while (i < n && status == Status::ok) {
    {
      nb::gil_scoped_release release;
      const FloatingPoint environment;
      const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
      const size_t often = p.learner->plan().bytes > (size_t)1 << 20 ? 1 : 64;
      for (; i < n; ++i) {
        target.values = p.classes ? nullptr : ys.data + i * p.outputs;
        target.label = p.classes ? labels.data[i] : 0;
        double loss;
        status = p.as<T>().step_within({xs.data + i * p.inputs}, target, &loss);
        if (status != Status::ok) break;
        losses[i] = (T)loss;
        if (outputs) std::memcpy(outputs + i * p.outputs, p.as<T>().output(), sizeof(T) * p.outputs);
        if (i % often == 0 && std::chrono::steady_clock::now() > end) { ++i; break; }
      }
    }
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
  }
  if (status != Status::ok)
    reject<T>(status, xs.data + i * p.inputs, p.inputs, target.values, p.outputs, target.label,
              ("s[" + std::to_string(i) + "]").c_str());
  return want_outputs ? nb::object(nb::make_tuple(result, predictions)) : result;
}

template <class T>
double step_minibatch_as(PyLearner& p, nb::handle xs_in, nb::handle ys_in) {
  Hold hold(p);
  Vector<T> xs, ys;
  Labels labels;
  const size_t n = xs.read_many(xs_in, p.inputs, "xs");
  if (!n) throw nb::value_error("xs: expected at least one example, got 0");
  if (p.classes) labels.read(ys_in, n);
  else if (const size_t m = ys.read_many(ys_in, p.outputs, "ys"); m != n)
    throw nb::value_error(("ys: expected as many examples as xs (" + std::to_string(n) + "), got " + std::to_string(m)).c_str());
  double loss = 0;
  int bad = 0;
  Status status;
  {
    nb::gil_scoped_release release;
    status = p.as<T>().step_minibatch(xs.data, p.classes ? nullptr : ys.data, p.classes ? labels.data.data() : nullptr,
                                      (int)n, &loss, &bad);
  }
  if (status != Status::ok)
    reject<T>(status, xs.data + (size_t)bad * p.inputs, p.inputs, p.classes ? nullptr : ys.data + (size_t)bad * p.outputs,
              p.outputs, p.classes ? labels.data[bad] : 0, ("s[" + std::to_string(bad) + "]").c_str());
  return loss;
}

template <class T>
nb::object predict_as(PyLearner& p, nb::handle x) {
  Hold hold(p);
  Vector<T> xs;
  Indices indices;
  const Input<T> input = input_from(p, x, xs, indices);
  T* out;
  nb::object result = array_of<T>({(size_t)p.outputs}, &out);
  const Status status = p.as<T>().predict(input, out);
  if (status != Status::ok) reject<T>(status, input.values, input.indices ? input.count : p.inputs, nullptr, 0, 0, "");
  return result;
}

// Predictions of n inputs; with `hidden`, the activations of the hidden layers too.
template <class T>
nb::object predict_many_as(PyLearner& p, nb::handle xs_in, bool hidden) {
  Hold hold(p);
  Vector<T> xs;
  const size_t n = xs.read_many(xs_in, p.inputs, "xs");
  const Plan& plan = p.learner->plan();
  T* out;
  nb::object result = array_of<T>({n, (size_t)p.outputs}, &out);
  std::vector<T*> rows;
  nb::list layers;
  for (size_t h = 0; hidden && h + 1 < plan.dense.size(); ++h) {
    rows.push_back(nullptr);
    layers.append(array_of<T>({n, (size_t)plan.dense[h].outputs}, &rows.back()));
  }
  size_t i = 0;
  Status status = Status::ok;
  {
    nb::gil_scoped_release release;
    for (; i < n; ++i) {
      status = p.as<T>().predict({xs.data + i * p.inputs}, out + i * p.outputs);
      if (status != Status::ok) break;
      for (size_t h = 0; h < rows.size(); ++h)
        std::memcpy(rows[h] + i * plan.dense[h].outputs, p.as<T>().activation((int)h), sizeof(T) * plan.dense[h].outputs);
    }
  }
  if (status != Status::ok)
    reject<T>(status, xs.data + i * p.inputs, p.inputs, nullptr, 0, 0, ("s[" + std::to_string(i) + "]").c_str());
  return hidden ? nb::object(layers) : result;
}

#define STREAMDL_TYPED(p, call) ((p).twice ? call<double> : call<float>)

nb::object view_of(PyLearner& p, const FieldEntry& e) {
  struct Guard {
    std::shared_ptr<Block> block;
    std::shared_ptr<std::atomic<int>> views;
  };
  p.learner->state_touched();
  ++*p.views;
  nb::capsule owner(new Guard{p.learner->block(), p.views}, [](void* g) noexcept {
    --*static_cast<Guard*>(g)->views;
    delete static_cast<Guard*>(g);
  });
  std::vector<int64_t> strides;
  for (size_t s : e.strides) strides.push_back((int64_t)(s / bytes_of(e.type)));
  void* data = p.learner->block()->data() + e.offset;
  const nb::dlpack::dtype type = e.type == Type::f32 ? nb::dtype<float>() : e.type == Type::f64 ? nb::dtype<double>() : nb::dtype<uint64_t>();
  return nb::cast(nb::ndarray<nb::numpy>(data, e.shape.size(), e.shape.data(), owner, strides.data(), type));
}

nb::object output_view(PyLearner& p, nb::handle self) {
  const size_t n = (size_t)p.outputs;
  if (p.twice) return nb::cast(nb::ndarray<nb::numpy, const double>(p.as<double>().output(), 1, &n, self));
  return nb::cast(nb::ndarray<nb::numpy, const float>(p.as<float>().output(), 1, &n, self));
}

// The learner as a container: packed arrays of the state, and `metadata`.
container::Status write(PyLearner& p, const nb::dict& metadata, const container::Sink& sink, container::Error& error) {
  container::Metadata m;
  for (auto [k, v] : metadata) m[nb::cast<std::string>(k)] = nb::cast<std::string>(v);
  p.learner->settle();
  std::vector<std::vector<uint8_t>> packed;
  std::vector<container::TensorView> tensors;
  for (const FieldEntry& e : p.learner->plan().entries) {
    size_t bytes = bytes_of(e.type);
    for (size_t s : e.shape) bytes *= s;
    auto& room = packed.emplace_back(bytes);
    p.copy_rows(e, [&](std::byte* from, size_t at, size_t n) { std::memcpy(room.data() + at, from, n); });
    tensors.push_back({e.name, dtype_of(e.type), shape_of(e), room.data(), bytes});
  }
  return container::serialize(m, tensors, sink, error);
}

void fail(const std::string& message) {
  PyErr_SetString(PyExc_OSError, message.c_str());
  throw nb::python_error();
}

nb::list rules() {
  nb::list list;
  std::map<std::string, bool> seen;
  auto describe = [&](auto rule) {
    using Rule = decltype(rule);
    if (seen[Rule::description.name]) return;
    seen[Rule::description.name] = true;
    nb::list hypers;
    auto add = [&](const base::HyperParameter& h) {
      hypers.append(nb::make_tuple(h.name, h.standard, h.low, h.high, h.low_open, h.high_open, h.letter, h.meaning,
                                   h.kind == base::HyperParameter::Kind::flag));
    };
    for (const auto& h : Rule::hypers) add(h);
    for (const auto& h : base::kCommonHyperParameters) add(h);
    list.append(nb::make_tuple(Rule::description.name, Rule::description.title, Rule::description.equation,
                               Rule::description.source, Rule::description.cost, hypers, Rule::uses_sensitivity));
  };
#define STREAMDL_DESCRIBE(Rule) describe(base::Rule{});
  STREAMDL_OPTIMIZERS(STREAMDL_DESCRIBE)
#undef STREAMDL_DESCRIBE
  return list;
}

}  // namespace

NB_MODULE(_core, m) {
  m.doc() = "The engine of streamdl. Use the names that `streamdl` exports.";
  nb::exception<Busy>(m, "BusyError", PyExc_RuntimeError).doc() =
      "Another thread is using this learner.";
  m.def("optimizers", &rules, "The table of every update rule.");
  m.def("activations", &activation_names);
  m.def("losses", &loss_names);
  m.def("inits", &init_names);
  m.def("utilities", &utility_names);
  m.def("instruction_sets", &available_instruction_sets);
  m.def("instruction_set", [] { return std::string(chosen_instruction_set().name); });

  nb::class_<Checkpoint>(m, "Checkpoint")
      .def_static("read", [](const std::string& path) {
        file::Error error;
        file::Bytes bytes;
        if (file::read(path, bytes, error) != file::Status::ok) fail(error.message);
        return new Checkpoint(std::vector<uint8_t>(bytes.data.get(), bytes.data.get() + bytes.size));
      }, "path"_a)
      .def_static("parse", [](nb::bytes b) {
        const auto* data = reinterpret_cast<const uint8_t*>(b.c_str());
        return new Checkpoint(std::vector<uint8_t>(data, data + b.size()));
      }, "data"_a)
      .def_prop_ro("metadata", [](const Checkpoint& c) {
        nb::dict d;
        for (const auto& [k, v] : c.parsed.metadata) d[nb::str(k.c_str(), k.size())] = nb::str(v.c_str(), v.size());
        return d;
      });

  m.def("_quicken", [](nb::handle type) {
    PyObject* base = nb::type<PyLearner>().ptr();
    type.attr("step") = nb::steal(PyDescr_NewMethod(reinterpret_cast<PyTypeObject*>(base), &quick_step_method));
  }, "type"_a, "Gives a class derived from Learner the quick step.");
  nb::class_<PyLearner>(m, "Learner", nb::dynamic_attr())
      .def(nb::init<const nb::dict&, const Checkpoint*>(), "spec"_a, "checkpoint"_a.none() = nb::none())
      .def("step", [](PyLearner& p, nb::handle x, nb::handle y) { return STREAMDL_TYPED(p, step_as)(p, x, y); }, "x"_a.none(), "y"_a.none(),
           "Predict, then learn from one example; returns the loss before the update.")
      .def("step_many", [](PyLearner& p, nb::handle xs, nb::handle ys, bool outputs) {
        return STREAMDL_TYPED(p, step_many_as)(p, xs, ys, outputs);
      }, "xs"_a.none(), "ys"_a.none(), "outputs"_a = false, "Learn from n examples in order; returns (n,) losses, and with outputs=True the predictions.",
           nb::sig("def step_many(self, xs: object, ys: object, outputs: bool = False) -> typing.Any"))
      .def("step_minibatch", [](PyLearner& p, nb::handle xs, nb::handle ys) { return STREAMDL_TYPED(p, step_minibatch_as)(p, xs, ys); },
           "xs"_a.none(), "ys"_a.none(), "One update from the mean gradient of a minibatch; returns the mean loss before it.")
      .def("predict", [](PyLearner& p, nb::handle x) { return STREAMDL_TYPED(p, predict_as)(p, x); }, "x"_a.none(), "The outputs for x, as a new array; no learning.",
           nb::sig("def predict(self, x: object) -> numpy.typing.NDArray[typing.Any]"))
      .def("predict_many", [](PyLearner& p, nb::handle xs) { return STREAMDL_TYPED(p, predict_many_as)(p, xs, false); }, "xs"_a.none(),
           nb::sig("def predict_many(self, xs: object) -> numpy.typing.NDArray[typing.Any]"))
      .def("activations", [](PyLearner& p, nb::handle xs) { return STREAMDL_TYPED(p, predict_many_as)(p, xs, true); }, "xs"_a.none(),
           "The activations of every hidden layer, a list of (n, units).",
           nb::sig("def activations(self, xs: object) -> list[numpy.typing.NDArray[typing.Any]]"))
      .def_prop_ro("output", [](nb::handle self) { return output_view(*nb::inst_ptr<PyLearner>(self), self); },
                   "View of the prediction that the last step made before its update.",
           nb::sig("def output(self) -> numpy.typing.NDArray[typing.Any]"))
      .def_prop_ro("steps", [](PyLearner& p) { return p.learner->steps(); }, "Examples learned from so far.")
      .def("state_hash", [](PyLearner& p) { Hold hold(p); p.learner->settle(); return p.learner->state_hash(); },
           "SHA-256 over the sorted names and the bytes of the state.")
      .def("_entries", [](PyLearner& p) {
        nb::list names;
        for (const FieldEntry& e : p.learner->plan().entries) names.append(nb::make_tuple(e.name, e.parameter));
        return names;
      }, nb::sig("def _entries(self) -> list[tuple[str, bool]]"))
      .def("_view", [](PyLearner& p, const std::string& name) {
        for (const FieldEntry& e : p.learner->plan().entries)
          if (e.name == name) return view_of(p, e);
        throw nb::key_error(name.c_str());
      }, "name"_a, nb::sig("def _view(self, name: str) -> numpy.typing.NDArray[typing.Any]"))
      .def("_hyper", [](PyLearner& p) {
        nb::dict d;
        const auto& names = p.learner->plan().hyper_names;
        for (size_t i = 0; i < names.size(); ++i) d[names[i].name.c_str()] = p.learner->hyper()[i];
        return d;
      }, nb::sig("def _hyper(self) -> dict[str, float]"))
      .def("_set_hyper", [](PyLearner& p, const std::string& name, double value) {
        Hold hold(p);
        const Plan& plan = p.learner->plan();
        for (size_t i = 0; i < plan.hyper_names.size(); ++i) {
          if (plan.hyper_names[i].name != name) continue;
          const std::string wrong = plan.check_hyper(i, value);
          if (!wrong.empty()) throw nb::value_error(wrong.c_str());
          if (name == "momentum" && (value == 0) != (p.learner->hyper()[i] == 0))
            throw nb::value_error("momentum: 0 and other values need different state; build a new learner");
          p.learner->hyper()[i] = value;
          p.learner->hyper_changed();
          return;
        }
        throw nb::key_error(name.c_str());
      })
      .def_prop_ro("_hidden", [](PyLearner& p) { return p.learner->plan().hidden.size(); })
      .def_prop_ro("_layer_sizes", [](PyLearner& p) {
        std::vector<int> sizes;
        for (const Dense& d : p.learner->plan().dense) sizes.push_back(d.outputs);
        return sizes;
      })
      .def("_utilities", [](PyLearner& p, int h) { return p.learner->utilities(h); })
      .def("_ages", [](PyLearner& p, int h) { return p.learner->ages(h); })
      .def("_replacements", [](PyLearner& p, int h) { return p.learner->replacements(h); })
      .def("_regenerate", [](PyLearner& p, int h, int unit) { Hold hold(p); p.learner->regenerate(h, unit); })
      .def("_reset_outputs", [](PyLearner& p, const std::vector<int>& units, bool draw) {
        Hold hold(p);
        p.learner->reset_outputs(units, draw);
      })
      .def_prop_ro("cancelled", [](PyLearner& p) { return p.learner->cancelled(); },
                   "Updates of single weights that were cancelled because a field would not have been finite.")
      .def("_save", [](PyLearner& p, const std::string& path, const nb::dict& metadata) {
        Hold hold(p);
        file::AtomicFile f(path);
        file::Error error;
        container::Error bad;
        if (f.open(error) != file::Status::ok) fail(error.message);
        const auto status = write(p, metadata, [&](const void* d, size_t n) { return f.write(d, n, error) == file::Status::ok; }, bad);
        if (error.status != file::Status::ok) fail(error.message);
        if (status != container::Status::ok) throw nb::value_error(bad.message);
        if (f.commit(error) != file::Status::ok) fail(error.message);
      })
      .def("_to_bytes", [](PyLearner& p, const nb::dict& metadata) {
        Hold hold(p);
        std::string bytes;
        container::Error bad;
        if (write(p, metadata, [&](const void* d, size_t n) { bytes.append((const char*)d, n); return true; }, bad) != container::Status::ok)
          throw nb::value_error(bad.message);
        return nb::bytes(bytes.data(), bytes.size());
      });
}

}  // namespace streamdl
