#include "bindings/py_td.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings/observations.h"
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
      .def_prop_ro("steps", [](PyTD& p) { return p.td->steps(); }, "Observations learned from so far.");
  define_observations(td);
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
