// The Python door: the module _core.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <map>

#include "bindings/calls.h"
#include "bindings/py_gauges.h"
#include "bindings/py_last_layer.h"
#include "bindings/py_learner.h"
#include "bindings/py_td.h"
#include "bindings/spec.h"
#include "bindings/table.h"
#include "kernels/dispatch.h"
#include "learner/file.h"
#include "rules/optimizers/list.h"

using namespace nanobind::literals;

namespace streamdl {
namespace {

nb::object output_view(PyLearner& p, nb::handle self) {
  const size_t n = (size_t)p.outputs;
  if (p.twice) return nb::cast(nb::ndarray<nb::numpy, const double>(p.as<double>().output(), 1, &n, self));
  return nb::cast(nb::ndarray<nb::numpy, const float>(p.as<float>().output(), 1, &n, self));
}

template <class Rule>
nb::dict describe_as(nb::list hypers) {
  nb::list options;
  for (int i = 0; i < Rule::option_count; ++i) {
    nb::dict d;
    d["name"] = Rule::options[i].name;
    d["choices"] = nb::str(Rule::options[i].choices).attr("split")();
    d["standard"] = Rule::options[i].standard;
    d["meaning"] = Rule::options[i].meaning;
    options.append(d);
  }
  const base::Description& about = Rule::description;
  nb::dict d = words_of(about, Rule::when);
  d["no_weight_decay"] = about.no_weight_decay ? nb::cast(about.no_weight_decay) : nb::none();
  d["hypers"] = hypers;
  d["options"] = options;
  return d;
}

template <class Rule>
nb::list own_hypers() {
  nb::list hypers;
  for (const auto& h : Rule::hypers) hypers.append(row_of(h, h.standard));
  return hypers;
}

// Rules of one name are one class, with the fields of them all.
nb::list rules() {
  nb::list list;
  std::map<std::string, nb::list> fields, shared, silent_rows;
  auto add = [&](auto rule) {
    using Rule = decltype(rule);
    const std::string name = Rule::description.name;
    const bool is_first = !fields.count(name);
    add_fields<Rule>(fields[name], Rule::fields, Rule::field_count);
    add_fields<Rule>(shared[name], Rule::shared, Rule::shared_count);
    auto allow = [&](const char* way, bool allowed) {
      nb::list& ways = silent_rows[name];
      if (allowed && !nb::cast<bool>(ways.attr("__contains__")(way))) ways.append(way);
    };
    allow("lazy", !base::cannot_wait<Rule>());
    allow("closed_form", Rule::has_closed_form || !base::cannot_wait<Rule>());
    if (!is_first) return;
    nb::list hypers = own_hypers<Rule>();
    if (Rule::takes_decays) {
      hypers.append(row_of(base::kCommonHyperParameters[0], 0));
      hypers.append(row_of(base::kCommonHyperParameters[1], Rule::decoupled_weight_decay));
    }
    nb::dict d = describe_as<Rule>(hypers);
    d["uses_sensitivity"] = Rule::uses_sensitivity;
    d["one_output"] = Rule::one_output || Rule::descends_output;
    d["fields"] = fields[name];
    d["shared"] = shared[name];
    d["silent_rows"] = silent_rows[name];  // how they may wait
    list.append(d);
  };
#define STREAMDL_DESCRIBE(Rule) add(base::Rule{});
  STREAMDL_OPTIMIZERS(STREAMDL_DESCRIBE)
#undef STREAMDL_DESCRIBE
  return list;
}

nb::list methods() {
  nb::list list;
  auto add = [&](auto method) {
    using M = decltype(method);
    nb::dict d = describe_as<M>(own_hypers<M>());
    d["of_edges"] = M::of_edges;
    list.append(d);
  };
#define STREAMDL_DESCRIBE(M) add(base::M{});
  STREAMDL_METHODS(STREAMDL_DESCRIBE)
#undef STREAMDL_DESCRIBE
  return list;
}

}  // namespace

NB_MODULE(_core, m) {
  m.doc() = "The engine of streamdl. Use the names that `streamdl` exports.";
  nb::exception<Busy>(m, "BusyError", PyExc_RuntimeError).doc() = "Another thread is using this learner.";
  m.def("optimizers", &rules, "The table of every update rule.");
  m.def("methods", &methods, "The table of every plasticity method.");
  m.def("activations", &activation_names);
  m.def("losses", &loss_names);
  m.def("inits", &init_names);
  m.def("instruction_sets", &available_instruction_sets);
  m.def("instruction_set", [] { return std::string(chosen_instruction_set().name); });

  nb::class_<Checkpoint>(m, "Checkpoint")
      .def_static(
          "read",
          [](const std::string& path) {
            file::Error error;
            file::Bytes bytes;
            if (file::read(path, bytes, error) != file::Status::ok) fail(error.message);
            return new Checkpoint(std::vector<uint8_t>(bytes.data.get(), bytes.data.get() + bytes.size));
          },
          "path"_a)
      .def_static(
          "parse",
          [](nb::bytes b) {
            const auto* data = reinterpret_cast<const uint8_t*>(b.c_str());
            return new Checkpoint(std::vector<uint8_t>(data, data + b.size()));
          },
          "data"_a)
      .def(
          "part", [](const Checkpoint& c, const std::string& prefix) { return new Checkpoint(c, prefix); }, "prefix"_a,
          nb::keep_alive<0, 1>(), "The arrays whose names begin with `prefix`, without it.")
      .def_prop_ro("metadata", [](const Checkpoint& c) {
        nb::dict d;
        for (const auto& [k, v] : c.parsed.metadata) d[nb::str(k.c_str(), k.size())] = nb::str(v.c_str(), v.size());
        return d;
      });

  m.def("_quicken", &quicken, "type"_a, "Gives a class derived from Learner the quick step.");
  nb::class_<PyLearner> learner(m, "Learner", nb::dynamic_attr());
  learner.def(nb::init<const nb::dict&, const Checkpoint*>(), "spec"_a, "checkpoint"_a.none() = nb::none())
      .def("step", &step, "x"_a.none(), "y"_a.none(),
           "Predict, then learn from one example; returns the loss before the update.")
      .def("step_many", &step_many, "xs"_a.none(), "ys"_a.none(), "outputs"_a = false,
           "Learn from n examples in order; returns (n,) losses, and with outputs=True the predictions.",
           nb::sig("def step_many(self, xs: object, ys: object, outputs: bool = False) -> typing.Any"))
      .def("step_minibatch", &step_minibatch, "xs"_a.none(), "ys"_a.none(),
           "One update from the mean gradient of a minibatch; returns the mean loss before it.")
      .def("predict", &predict, "x"_a.none(), "The outputs for x, as a new array; no learning.",
           nb::sig("def predict(self, x: object) -> numpy.typing.NDArray[typing.Any]"))
      .def(
          "predict_many", [](PyLearner& p, nb::handle xs) { return predict_many(p, xs, false); }, "xs"_a.none(),
          nb::sig("def predict_many(self, xs: object) -> numpy.typing.NDArray[typing.Any]"))
      .def(
          "activations", [](PyLearner& p, nb::handle xs) { return predict_many(p, xs, true); }, "xs"_a.none(),
          "The activations of every hidden layer, a list of (n, units).",
          nb::sig("def activations(self, xs: object) -> list[numpy.typing.NDArray[typing.Any]]"))
      .def_prop_ro(
          "output", [](nb::handle self) { return output_view(*nb::inst_ptr<PyLearner>(self), self); },
          "View of the prediction that the last step made before its update.",
          nb::sig("def output(self) -> numpy.typing.NDArray[typing.Any]"))
      .def_prop_ro(
          "steps", [](PyLearner& p) { return p.learner->steps(); }, "Examples learned from so far.")
      .def_prop_ro("_has_utilities",
                   [](PyLearner& p) { return p.learner->plan().method(Method::ContinualBackprop) != nullptr; })
      .def_prop_ro("_hidden", [](PyLearner& p) { return p.learner->plan().hidden.size(); })
      .def_prop_ro("_layer_sizes",
                   [](PyLearner& p) {
                     std::vector<int> sizes;
                     for (const Dense& d : p.learner->plan().dense) sizes.push_back(d.outputs);
                     return sizes;
                   })
      .def("_utilities", [](PyLearner& p, int h) { return p.learner->utilities(h); })
      .def("_ages", [](PyLearner& p, int h) { return p.learner->ages(h); })
      .def("_replacements", [](PyLearner& p, int h) { return p.learner->replacements(h); })
      .def("_regenerate",
           [](PyLearner& p, int h, int unit) {
             Hold hold(p);
             const std::vector<Dense>& dense = p.learner->plan().dense;
             if (dense[h].edges || dense[h + 1].edges)
               throw nb::value_error("layer: units beside a SparseLinear do not know their incoming edges");
             p.learner->regenerate(h, unit);
           })
      .def("_reset_outputs", [](PyLearner& p, const std::vector<int>& units, bool draw) {
        Hold hold(p);
        if (p.learner->plan().dense.back().edges)
          throw nb::value_error("reset_outputs: the outputs of a SparseLinear do not know their incoming edges");
        p.learner->reset_outputs(units, draw);
      });
  define_state(learner);
  define_gauges(learner);
  define_td(m);
  define_last_layer(m);
}

}  // namespace streamdl
