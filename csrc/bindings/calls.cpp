#include "bindings/calls.h"

#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "bindings/inputs.h"

namespace streamdl {
namespace {

template <class T>
[[noreturn]] void reject(const PyLearner& p, Status status, const Input<T>& x, const Target<T>& y, const char* where) {
  const std::string prefix = where;
  const size_t bad = p.learner->bad();
  auto first = [](const T* v, int n) {
    for (int i = 0; v && i < n; ++i)
      if (!(std::abs(v[i]) <= std::numeric_limits<T>::max())) return i;
    return 0;
  };
  std::string text;
  switch (status) {
    case Status::input_not_finite: {
      const size_t at = x.indices ? bad : (size_t)first(x.values, p.inputs);
      text = "x" + prefix + (x.indices ? "[1] (values)" : "") + "[" + std::to_string(at) +
             "]: expected a finite number, got " + std::to_string(x.values[at]);
      break;
    }
    case Status::index_out_of_range:
      text =
          "x" + prefix + "[0] (indices): expected 0 to " + std::to_string(p.inputs - 1) + ", got " + index_at(x, bad);
      break;
    case Status::index_twice:
      text = "x" + prefix + "[0] (indices): expected every index once, got " + index_at(x, bad) + " twice";
      break;
    case Status::target_not_finite: {
      const int at = first(y.values, p.outputs);
      text =
          "y" + prefix + "[" + std::to_string(at) + "]: expected a finite number, got " + std::to_string(y.values[at]);
      break;
    }
    case Status::label_out_of_range:
      text = "y" + prefix + ": expected a class from 0 to " + std::to_string(p.outputs - 1) + ", got " +
             std::to_string(y.label);
      break;
    default:
      text = "x" + prefix +
             ": expected an example whose outputs and update are finite, got an overflow; nothing was learned";
  }
  throw nb::value_error(text.c_str());
}

int64_t label_from(nb::handle y, int outputs) {
  if (PyFloat_Check(y.ptr()) || PyBool_Check(y.ptr()))
    throw nb::type_error(("y: expected a class index (an integer), got " + std::string(nb::repr(y).c_str())).c_str());
  PyObject* index = PyNumber_Index(y.ptr());
  if (!index) {
    PyErr_Clear();
    throw nb::type_error(
        ("y: expected a class index (an integer), got " + std::string(nb::repr(nb::type_name(y.type())).c_str()))
            .c_str());
  }
  int overflow = 0;
  const int64_t label = PyLong_AsLongLongAndOverflow(index, &overflow);
  Py_DECREF(index);
  if (overflow)
    throw nb::value_error(
        ("y: expected a class from 0 to " + std::to_string(outputs - 1) + ", got " + nb::repr(y).c_str()).c_str());
  return label;
}

template <class T>
double step_as(PyLearner& p, nb::handle x, nb::handle y) {
  Hold hold(p);
  AnyInput<T> xs;
  Vector<T> ys;
  const Input<T> input = xs.read(x, p.inputs);
  Target<T> target{};
  T single;
  if (p.classes) {
    target.label = label_from(y, p.outputs);
  } else if (p.outputs == 1 && PyFloat_CheckExact(y.ptr())) {
    single = (T)PyFloat_AS_DOUBLE(y.ptr());
    if (std::isinf(single) && !std::isinf(PyFloat_AS_DOUBLE(y.ptr())))
      throw nb::value_error(
          ("y[0]: expected a number that float32 can hold, got " + std::string(nb::repr(y).c_str())).c_str());
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
  if (status != Status::ok) reject<T>(p, status, input, target, "");
  return loss;
}

// The usual case of a step, without what a general call costs: quick, x and y just as the learner stores them.
// False, and nothing changed, in every other case, a rejected example among them.
template <class T>
bool quick_step_as(PyLearner& p, PyObject* x, PyObject* y, double* loss) {
  auto row = [](PyObject* o, int n) -> const T* {
    const PyArrayObject* array = plain_array<T>(o);
    if (!array || PyArray_NDIM(array) != 1 || PyArray_DIMS(const_cast<PyArrayObject*>(array))[0] != n) return nullptr;
    return static_cast<const T*>(PyArray_DATA(const_cast<PyArrayObject*>(array)));
  };
  Input<T> input{};
  if (!quick_input<T>(x, p.inputs, &input) || !(p.small || (input.indices && input.count <= p.few))) return false;
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
  if (p.learner->busy()) return false;
  const Status status = p.as<T>().step(input, target, loss);
  if (p.views->load(std::memory_order_relaxed)) p.learner->state_touched();
  return status == Status::ok;
}

PyObject* quick_step(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  if (count == 2 && !names && nb::inst_ready(self)) {
    PyLearner& p = *nb::inst_ptr<PyLearner>(self);
    double loss;
    if (p.twice ? quick_step_as<double>(p, args[0], args[1], &loss) : quick_step_as<float>(p, args[0], args[1], &loss))
      return PyFloat_FromDouble(loss);
  }
  static PyObject* const general = nb::object(nb::type<PyLearner>().attr("step")).release().ptr();
  return call_general(general, self, args, count, names);
}

PyMethodDef quick_step_method = {
    "step", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&quick_step)), METH_FASTCALL | METH_KEYWORDS,
    "step($self, x, y)\n--\n\nPredict, then learn from one example; returns the loss before the update."};

// Examples in order, without Python between them. Signals are looked at every few milliseconds.
template <class T>
nb::object step_many_as(PyLearner& p, nb::handle xs_in, nb::handle ys_in, bool want_outputs) {
  Hold hold(p);
  ManyInputs<T> xs;
  Vector<T> ys;
  Labels labels;
  const size_t n = xs.read(xs_in, p.inputs, "xs");
  if (p.classes) labels.read(ys_in, n);
  else if (const size_t m = ys.read_many(ys_in, p.outputs, "ys"); m != n)
    throw nb::value_error(
        ("ys: expected as many examples as xs (" + std::to_string(n) + "), got " + std::to_string(m)).c_str());
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
      const bool is_long = p.learner->plan().bytes > (size_t)1 << 20 && !(xs.sparse && p.few);
      const size_t often = is_long ? 1 : 64;
      for (; i < n; ++i) {
        target.values = p.classes ? nullptr : ys.data + i * p.outputs;
        target.label = p.classes ? labels.data[i] : 0;
        double loss;
        status = p.as<T>().step_within(xs[i], target, &loss);
        if (status != Status::ok) break;
        losses[i] = (T)loss;
        if (outputs) std::memcpy(outputs + i * p.outputs, p.as<T>().output(), sizeof(T) * p.outputs);
        if (i % often == 0 && std::chrono::steady_clock::now() > end) {
          ++i;
          break;
        }
      }
    }
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
  }
  if (status != Status::ok) reject<T>(p, status, xs[i], target, ("s[" + std::to_string(i) + "]").c_str());
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
    throw nb::value_error(
        ("ys: expected as many examples as xs (" + std::to_string(n) + "), got " + std::to_string(m)).c_str());
  double loss = 0;
  int bad = 0;
  Status status;
  {
    nb::gil_scoped_release release;
    status = p.as<T>().step_minibatch(xs.data, p.classes ? nullptr : ys.data, p.classes ? labels.data.data() : nullptr,
                                      (int)n, &loss, &bad);
  }
  if (status != Status::ok)
    reject<T>(p, status, {xs.data + (size_t)bad * p.inputs},
              {p.classes ? nullptr : ys.data + (size_t)bad * p.outputs, p.classes ? labels.data[bad] : 0},
              ("s[" + std::to_string(bad) + "]").c_str());
  return loss;
}

template <class T>
nb::object predict_as(PyLearner& p, nb::handle x) {
  Hold hold(p);
  AnyInput<T> xs;
  const Input<T> input = xs.read(x, p.inputs);
  T* out;
  nb::object result = array_of<T>({(size_t)p.outputs}, &out);
  const Status status = p.as<T>().predict(input, out);
  if (status != Status::ok) reject<T>(p, status, input, {}, "");
  return result;
}

template <class T>
nb::object predict_many_as(PyLearner& p, nb::handle xs_in, bool hidden) {
  Hold hold(p);
  ManyInputs<T> xs;
  const size_t n = xs.read(xs_in, p.inputs, "xs");
  const Plan& plan = p.learner->plan();
  T* out;
  nb::object result = array_of<T>({n, (size_t)p.outputs}, &out);
  std::vector<T*> rows;
  nb::list layers;
  for (size_t h = 0; hidden && h + 1 < plan.dense.size(); ++h) {
    rows.push_back(nullptr);
    layers.append(array_of<T>({n, (size_t)plan.boundaries[h + 1].sent}, &rows.back()));
  }
  size_t i = 0;
  Status status = Status::ok;
  {
    nb::gil_scoped_release release;
    for (; i < n; ++i) {
      status = p.as<T>().predict(xs[i], out + i * p.outputs);
      if (status != Status::ok) break;
      for (size_t h = 0; h < rows.size(); ++h)
        std::memcpy(rows[h] + i * plan.boundaries[h + 1].sent, p.as<T>().activation((int)h),
                    sizeof(T) * plan.boundaries[h + 1].sent);
    }
  }
  if (status != Status::ok) reject<T>(p, status, xs[i], {}, ("s[" + std::to_string(i) + "]").c_str());
  return hidden ? nb::object(layers) : result;
}

}  // namespace

double step(PyLearner& p, nb::handle x, nb::handle y) {
  return p.twice ? step_as<double>(p, x, y) : step_as<float>(p, x, y);
}

nb::object step_many(PyLearner& p, nb::handle xs, nb::handle ys, bool want_outputs) {
  return p.twice ? step_many_as<double>(p, xs, ys, want_outputs) : step_many_as<float>(p, xs, ys, want_outputs);
}

double step_minibatch(PyLearner& p, nb::handle xs, nb::handle ys) {
  const RuleInfo& rule = p.learner->plan().rule;
  for (const Boundary& b : p.learner->plan().boundaries)
    for (const UnitOp& op : b.ops)
      if (!op.states.empty())
        throw nb::value_error(
            "step_minibatch: OnlineNorm and InputNorm follow one example after another; use step or step_many");
  for (Method kind : {Method::RigL, Method::EdgeUtility})
    if (p.learner->plan().method(kind))
      throw nb::value_error("step_minibatch: RigL and EdgeUtility go by single examples; use step or step_many");
  if (p.learner->plan().method(Method::Imprinting))
    throw nb::value_error("step_minibatch: Imprinting follows one example after another; use step or step_many");
  if (rule.descends_output)
    throw nb::value_error((std::string("step_minibatch: ") + rule.name +
                           " multiplies its traces by the error of one example; use step or step_many")
                              .c_str());
  return p.twice ? step_minibatch_as<double>(p, xs, ys) : step_minibatch_as<float>(p, xs, ys);
}

nb::object predict(PyLearner& p, nb::handle x) { return p.twice ? predict_as<double>(p, x) : predict_as<float>(p, x); }

nb::object predict_many(PyLearner& p, nb::handle xs, bool hidden) {
  return p.twice ? predict_many_as<double>(p, xs, hidden) : predict_many_as<float>(p, xs, hidden);
}

void quicken(nb::handle type) {
  PyObject* base = nb::type<PyLearner>().ptr();
  type.attr("step") = nb::steal(PyDescr_NewMethod(reinterpret_cast<PyTypeObject*>(base), &quick_step_method));
}

}  // namespace streamdl
