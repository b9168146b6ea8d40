#include "bindings/py_td.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <cmath>

#include "bindings/inputs.h"
#include "bindings/table.h"
#include "learner/threads.h"
#include "rules/td/list.h"

using namespace nanobind::literals;

namespace streamdl {

PyTD::PyTD(const nb::dict& spec, const Checkpoint* checkpoint) {
  std::shared_ptr<const TDPlan> plan;
  try {
    TDSpec s;
    s.name = nb::cast<std::string>(spec["rule"]);
    s.hyper = nb::cast<std::vector<double>>(spec["hyper"]);
    s.ordinary = nb::cast<bool>(spec["ordinary"]);
    s.features = nb::cast<int>(spec["features"]);
    s.twice = nb::cast<bool>(spec["twice"]);
    plan = std::make_shared<const TDPlan>(std::move(s));
  } catch (const std::invalid_argument& e) {
    throw nb::value_error(e.what());
  }
  if (checkpoint) compare(plan->entries, *checkpoint);  // before a hostile description costs memory
  held = td = LinearTD::build(plan);
  features = plan->spec.features;
  twice = plan->spec.twice;
  small = plan->bytes <= (size_t)1 << 20;  // a step takes some ten microseconds at most: not worth releasing the GIL
  if (!checkpoint) return;
  copy_state(*td, *checkpoint);
  if (td->steps() > (uint64_t)1 << 62 || *td->block()->at<uint64_t>(plan->started) > 1)
    throw nb::value_error("checkpoint: its counters are larger than any learner's");
  td->state_loaded();
}

namespace {

//---------------------------------------------------------------------------- what was wrong

[[noreturn]] void refuse(const std::string& text) { throw nb::value_error(text.c_str()); }

// One input as it was given: `where` is "" or "s[i]", the example of a block.
template <class T>
[[noreturn]] void reject(PyTD& p, TDStatus status, const Input<T>& x, T reward, const std::string& where) {
  const size_t bad = p.td->bad();
  const std::string name = "x" + where, at = "[" + std::to_string(bad) + "]";
  switch (status) {
    case TDStatus::input_not_finite:
      refuse(name + (x.indices ? "[1] (values)" : "") + at + ": expected a finite number, got " +
             std::to_string(x.values[bad]));
    case TDStatus::index_out_of_range:
      refuse(name + "[0] (indices): expected 0 to " + std::to_string(p.features - 1) + ", got " + index_at(x, bad));
    case TDStatus::index_twice:
      refuse(name + "[0] (indices): expected every index once, got " + index_at(x, bad) + " twice");
    case TDStatus::reward_not_finite:
      refuse("reward" + where + ": expected a finite number, got " + std::to_string(reward));
    case TDStatus::not_started: refuse("end: expected a step of the episode before its end, got none");
    default:
      refuse((name == "x" ? "x" : name) +
             ": expected an observation whose prediction and update are finite, got an overflow; nothing was learned");
  }
}

//---------------------------------------------------------------------------- arguments

template <class T>
T reward_from(nb::handle o) {
  if (PyFloat_CheckExact(o.ptr())) {
    const double value = PyFloat_AS_DOUBLE(o.ptr());
    const T reward = (T)value;
    if (std::isinf(reward) && !std::isinf(value))
      refuse("reward: expected a number that float32 can hold, got " + std::string(nb::repr(o).c_str()));
    return reward;
  }
  Vector<T> reward;
  reward.read(o, 1, "reward");
  return reward.data[0];
}

//---------------------------------------------------------------------------- calls

template <class T>
double step_as(PyTD& p, nb::handle o, nb::handle reward_in) {
  Hold hold(p);
  AnyInput<T> given;
  const Input<T> x = given.read(o, p.features);
  const T reward = reward_from<T>(reward_in);
  T prediction{};
  TDStatus status;
  if (p.small) {
    status = p.as<T>().step(x, reward, &prediction);
  } else {
    nb::gil_scoped_release release;
    status = p.as<T>().step(x, reward, &prediction);
  }
  if (status != TDStatus::ok) reject<T>(p, status, x, reward, "");
  return (double)prediction;
}

// As quick_step_as of a learner: false, and nothing changed, in every unusual case.
template <class T>
bool quick_step_as(PyTD& p, PyObject* o, PyObject* reward, double* prediction) {
  Input<T> x{};
  if (!PyFloat_CheckExact(reward) || !quick_input<T>(o, p.features, &x) || p.td->busy()) return false;
  T v;
  const TDStatus status = p.as<T>().step(x, (T)PyFloat_AS_DOUBLE(reward), &v);
  if (p.views->load(std::memory_order_relaxed)) p.td->state_touched();
  *prediction = (double)v;
  return status == TDStatus::ok;
}

PyObject* quick_step(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  if (count == 2 && !names && nb::inst_ready(self)) {
    PyTD& p = *nb::inst_ptr<PyTD>(self);
    double prediction;
    if (p.small && (p.twice ? quick_step_as<double>(p, args[0], args[1], &prediction)
                            : quick_step_as<float>(p, args[0], args[1], &prediction)))
      return PyFloat_FromDouble(prediction);
  }
  static PyObject* const general = nb::object(nb::type<PyTD>().attr("step")).release().ptr();
  return call_general(general, self, args, count, names);
}

PyMethodDef quick_step_method = {
    "step", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&quick_step)), METH_FASTCALL | METH_KEYWORDS,
    "step($self, x, reward)\n--\n\nLearn from the reward that arrived with x; returns the prediction for x before the "
    "update."};

template <class T>
nb::object step_many_as(PyTD& p, nb::handle xs_in, nb::handle rewards_in) {
  Hold hold(p);
  ManyInputs<T> xs;
  Vector<T> rewards;
  const size_t n = xs.read(xs_in, p.features, "xs"), m = rewards.read_many(rewards_in, 1, "rewards");
  if (m != n) refuse("rewards: expected as many as xs (" + std::to_string(n) + "), got " + std::to_string(m));
  T* predictions;
  nb::object result = array_of<T>({n}, &predictions);
  size_t i = 0;
  TDStatus status = TDStatus::ok;
  Input<T> x{};
  while (i < n && status == TDStatus::ok) {
    {
      nb::gil_scoped_release release;
      const FloatingPoint environment;
      const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
      const size_t often = p.small ? 64 : 1;
      for (; i < n; ++i) {
        x = xs[i];
        status = p.as<T>().step_within(x, rewards.data[i], predictions + i);
        if (status != TDStatus::ok) break;
        if (i % often == 0 && std::chrono::steady_clock::now() > end) {
          ++i;
          break;
        }
      }
    }
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
  }
  if (status != TDStatus::ok) reject<T>(p, status, x, rewards.data[i], "s[" + std::to_string(i) + "]");
  return result;
}

template <class T>
void end_as(PyTD& p, nb::handle reward_in) {
  Hold hold(p);
  const T reward = reward_from<T>(reward_in);
  const TDStatus status = p.as<T>().end(reward);
  if (status != TDStatus::ok) reject<T>(p, status, {}, reward, "");
}

template <class T>
double predict_as(PyTD& p, nb::handle o) {
  Hold hold(p);
  AnyInput<T> given;
  const Input<T> x = given.read(o, p.features);
  T prediction{};
  const TDStatus status = p.as<T>().predict(x, &prediction);
  if (status != TDStatus::ok) reject<T>(p, status, x, T(0), "");
  return (double)prediction;
}

template <class T>
nb::object predict_many_as(PyTD& p, nb::handle xs_in) {
  Hold hold(p);
  ManyInputs<T> xs;
  const size_t n = xs.read(xs_in, p.features, "xs");
  T* predictions;
  nb::object result = array_of<T>({n}, &predictions);
  size_t i = 0;
  TDStatus status = TDStatus::ok;
  Input<T> x{};
  {
    nb::gil_scoped_release release;
    for (; i < n; ++i) {
      x = xs[i];
      status = p.as<T>().predict(x, predictions + i);
      if (status != TDStatus::ok) break;
    }
  }
  if (status != TDStatus::ok) reject<T>(p, status, x, T(0), "s[" + std::to_string(i) + "]");
  return result;
}

nb::list rules() {
  nb::list list;
  auto describe = [&](auto rule) {
    using Rule = decltype(rule);
    nb::list hypers;
    for (const auto& h : Rule::hypers) hypers.append(row_of(h, h.standard));
    nb::list fields;
    add_fields<Rule>(fields, Rule::fields, (int)std::size(Rule::fields));
    nb::dict d = words_of(Rule::description, Rule::when);
    d["hypers"] = hypers;
    d["fields"] = fields;
    d["has_gradient"] = Rule::has_gradient;
    list.append(d);
  };
#define STREAMDL_DESCRIBE(Rule) describe(base::Rule{});
  STREAMDL_TD_RULES(STREAMDL_DESCRIBE)
#undef STREAMDL_DESCRIBE
  return list;
}

}  // namespace

void define_td(nb::module_& m) {
  m.def("td_rules", &rules, "The table of every rule of linear temporal-difference learning.");
  nb::class_<PyTD> td(m, "LinearTD", nb::dynamic_attr());
  td.def(nb::init<const nb::dict&, const Checkpoint*>(), "spec"_a, "checkpoint"_a.none() = nb::none())
      .def(
          "step",
          [](PyTD& p, nb::handle x, nb::handle reward) {
            return p.twice ? step_as<double>(p, x, reward) : step_as<float>(p, x, reward);
          },
          "x"_a.none(), "reward"_a.none(),
          "Learn from the reward that arrived with x; returns the prediction for x before the update.")
      .def(
          "step_many",
          [](PyTD& p, nb::handle xs, nb::handle rewards) {
            return p.twice ? step_many_as<double>(p, xs, rewards) : step_many_as<float>(p, xs, rewards);
          },
          "xs"_a.none(), "rewards"_a.none(), "The same for n observations in order; returns (n,) predictions.",
          nb::sig("def step_many(self, xs: object, rewards: object) -> numpy.typing.NDArray[typing.Any]"))
      .def(
          "end", [](PyTD& p, nb::handle reward) { p.twice ? end_as<double>(p, reward) : end_as<float>(p, reward); },
          "reward"_a.none(), "Learn from an episode's last reward, with nothing to follow, and clear the traces.")
      .def(
          "predict", [](PyTD& p, nb::handle x) { return p.twice ? predict_as<double>(p, x) : predict_as<float>(p, x); },
          "x"_a.none(), "The prediction for x; no learning.")
      .def(
          "predict_many",
          [](PyTD& p, nb::handle xs) {
            return p.twice ? predict_many_as<double>(p, xs) : predict_many_as<float>(p, xs);
          },
          "xs"_a.none(), "The predictions for n inputs, (n,).",
          nb::sig("def predict_many(self, xs: object) -> numpy.typing.NDArray[typing.Any]"))
      .def_prop_ro("steps", [](PyTD& p) { return p.td->steps(); }, "Observations learned from so far.");
  define_state(td);
  m.def(
      "_quicken_td",
      [](nb::handle type) {
        PyObject* base = nb::type<PyTD>().ptr();
        type.attr("step") = nb::steal(PyDescr_NewMethod(reinterpret_cast<PyTypeObject*>(base), &quick_step_method));
      },
      "type"_a, "Gives a class derived from LinearTD the quick step.");
}

}  // namespace streamdl
