// The Python door: the module _core.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <map>

#include "bindings/calls.h"
#include "bindings/py_learner.h"
#include "bindings/spec.h"
#include "kernels/dispatch.h"
#include "learner/file.h"
#include "rules/optimizers/list.h"

using namespace nanobind::literals;

namespace streamdl {
namespace {

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
  const nb::dlpack::dtype type = e.type == Type::f32   ? nb::dtype<float>()
                                 : e.type == Type::f64 ? nb::dtype<double>()
                                                       : nb::dtype<uint64_t>();
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

// Tables as dictionaries.
nb::dict describe(const base::HyperParameter& h, double standard) {
  nb::dict d;
  d["name"] = h.name;
  d["standard"] = standard;
  d["low"] = h.low;
  d["high"] = h.high;
  d["low_open"] = h.low_open;
  d["high_open"] = h.high_open;
  d["letter"] = h.letter;
  d["meaning"] = h.meaning;
  d["is_flag"] = h.kind == base::HyperParameter::Kind::flag;
  d["is_whole"] = h.kind == base::HyperParameter::Kind::whole;
  return d;
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
  nb::dict d;
  d["name"] = about.name;
  d["title"] = about.title;
  d["equation"] = about.equation;
  d["source"] = about.source;
  d["cost"] = about.cost;
  d["no_weight_decay"] = about.no_weight_decay ? nb::cast(about.no_weight_decay) : nb::none();
  d["hypers"] = hypers;
  d["options"] = options;
  return d;
}

template <class Rule>
nb::list own_hypers() {
  nb::list hypers;
  for (const auto& h : Rule::hypers) hypers.append(describe(h, h.standard));
  return hypers;
}

// Rules of one name are one class.
nb::list rules() {
  nb::list list;
  std::map<std::string, bool> seen;
  auto add = [&](auto rule) {
    using Rule = decltype(rule);
    if (seen[Rule::description.name]) return;
    seen[Rule::description.name] = true;
    nb::list hypers = own_hypers<Rule>();
    if (Rule::takes_decays) {
      hypers.append(describe(base::kCommonHyperParameters[0], 0));
      hypers.append(describe(base::kCommonHyperParameters[1], Rule::decoupled_weight_decay));
    }
    nb::dict d = describe_as<Rule>(hypers);
    d["uses_sensitivity"] = Rule::uses_sensitivity;
    list.append(d);
  };
#define STREAMDL_DESCRIBE(Rule) add(base::Rule{});
  STREAMDL_OPTIMIZERS(STREAMDL_DESCRIBE)
#undef STREAMDL_DESCRIBE
  return list;
}

nb::list methods() {
  nb::list list;
#define STREAMDL_DESCRIBE(M) list.append(describe_as<base::M>(own_hypers<base::M>()));
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
      .def_prop_ro("metadata", [](const Checkpoint& c) {
        nb::dict d;
        for (const auto& [k, v] : c.parsed.metadata) d[nb::str(k.c_str(), k.size())] = nb::str(v.c_str(), v.size());
        return d;
      });

  m.def("_quicken", &quicken, "type"_a, "Gives a class derived from Learner the quick step.");
  nb::class_<PyLearner>(m, "Learner", nb::dynamic_attr())
      .def(nb::init<const nb::dict&, const Checkpoint*>(), "spec"_a, "checkpoint"_a.none() = nb::none())
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
      .def(
          "state_hash",
          [](PyLearner& p) {
            Hold hold(p);
            p.learner->settle();
            return p.learner->state_hash();
          },
          "SHA-256 over the sorted names and the bytes of the state.")
      .def(
          "_entries",
          [](PyLearner& p) {
            nb::list names;
            for (const FieldEntry& e : p.learner->plan().entries) names.append(nb::make_tuple(e.name, e.parameter));
            return names;
          },
          nb::sig("def _entries(self) -> list[tuple[str, bool]]"))
      .def(
          "_view",
          [](PyLearner& p, const std::string& name) {
            for (const FieldEntry& e : p.learner->plan().entries)
              if (e.name == name) return view_of(p, e);
            throw nb::key_error(name.c_str());
          },
          "name"_a, nb::sig("def _view(self, name: str) -> numpy.typing.NDArray[typing.Any]"))
      .def(
          "_hyper",
          [](PyLearner& p) {
            nb::dict d;
            const auto& names = p.learner->plan().hyper_names;
            for (size_t i = 0; i < names.size(); ++i) d[names[i].name.c_str()] = p.learner->hyper()[i];
            return d;
          },
          nb::sig("def _hyper(self) -> dict[str, float]"))
      .def("_set_hyper",
           [](PyLearner& p, const std::string& name, double value) {
             Hold hold(p);
             const Plan& plan = p.learner->plan();
             for (size_t i = 0; i < plan.hyper_names.size(); ++i) {
               if (plan.hyper_names[i].name != name) continue;
               const std::string wrong = plan.check_hyper(i, value);
               if (!wrong.empty()) throw nb::value_error(wrong.c_str());
               p.learner->hyper()[i] = value;
               p.learner->hyper_changed();
               return;
             }
             throw nb::key_error(name.c_str());
           })
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
             p.learner->regenerate(h, unit);
           })
      .def("_reset_outputs",
           [](PyLearner& p, const std::vector<int>& units, bool draw) {
             Hold hold(p);
             p.learner->reset_outputs(units, draw);
           })
      .def_prop_ro(
          "cancelled", [](PyLearner& p) { return p.learner->cancelled(); },
          "Updates of single weights that were cancelled because a field would not have been finite.")
      .def("_save",
           [](PyLearner& p, const std::string& path, const nb::dict& metadata) {
             Hold hold(p);
             file::AtomicFile f(path);
             file::Error error;
             container::Error bad;
             if (f.open(error) != file::Status::ok) fail(error.message);
             const auto status = write(
                 p, metadata, [&](const void* d, size_t n) { return f.write(d, n, error) == file::Status::ok; }, bad);
             if (error.status != file::Status::ok) fail(error.message);
             if (status != container::Status::ok) throw nb::value_error(bad.message);
             if (f.commit(error) != file::Status::ok) fail(error.message);
           })
      .def("_to_bytes", [](PyLearner& p, const nb::dict& metadata) {
        Hold hold(p);
        std::string bytes;
        container::Error bad;
        if (write(
                p, metadata,
                [&](const void* d, size_t n) {
                  bytes.append((const char*)d, n);
                  return true;
                },
                bad) != container::Status::ok)
          throw nb::value_error(bad.message);
        return nb::bytes(bytes.data(), bytes.size());
      });
}

}  // namespace streamdl
