#include "bindings/py_gauges.h"

#include <stdexcept>

#include "bindings/arrays.h"

namespace streamdl {
namespace {

void start(PyLearner& p, int window, int every, int rows) {
  Hold hold(p);
  try {
    p.learner->start_gauges({window, every, rows});
  } catch (const std::invalid_argument& e) {
    throw nb::value_error(e.what());
  }
}

void stop(PyLearner& p) {
  Hold hold(p);
  p.learner->stop_gauges();
}

// A learner's gauges, for one call.
struct Reading {
  Hold hold;
  const Gauges* gauges;
  explicit Reading(PyLearner& p) : hold(p), gauges(p.learner->gauges()) {
    if (!gauges) throw std::runtime_error("the gauges are off; learner.gauges.start() switches them on");
  }
};

nb::object array_from(const std::vector<uint64_t>& numbers) {
  uint64_t* data;
  nb::object array = array_of<uint64_t>({numbers.size()}, &data);
  std::copy(numbers.begin(), numbers.end(), data);
  return array;
}

nb::dict totals(PyLearner& p) {
  const Reading reading(p);
  const Plan& plan = p.learner->plan();
  nb::dict norms;
  for (size_t l = 0; l < plan.dense.size(); ++l)
    norms[plan.array_names[plan.dense[l].array].c_str()] = reading.gauges->update_norm((int)l);
  nb::dict d;
  d["examples"] = reading.gauges->examples();
  d["window"] = reading.gauges->settings().window;
  d["sampled"] = reading.gauges->sampled();
  d["update_norms"] = norms;
  return d;
}

nb::dict counts(PyLearner& p, int hidden) {
  const Reading reading(p);
  const UnitCounts c = reading.gauges->counts(hidden);
  nb::dict d;
  d["active"] = array_from(c.active);
  d["positive"] = array_from(c.positive);
  d["firings"] = array_from(c.firings);
  d["record"] = array_from(c.record);
  d["silence"] = array_from(c.silence);
  return d;
}

nb::object sample(PyLearner& p, int hidden) {
  const Reading reading(p);
  const std::vector<float> all = reading.gauges->sample(hidden);
  const size_t units = (size_t)p.learner->plan().boundaries[hidden + 1].sent;
  float* data;
  nb::object array = array_of<float>({all.size() / units, units}, &data);
  std::copy(all.begin(), all.end(), data);
  return array;
}

}  // namespace

void define_gauges(nb::class_<PyLearner>& learner) {
  using namespace nb::literals;
  learner.def("_start_gauges", &start, "window"_a, "every"_a, "rows"_a)
      .def("_stop_gauges", &stop)
      .def_prop_ro("_has_gauges", [](PyLearner& p) { return p.learner->gauges() != nullptr; })
      .def("_gauge_totals", &totals, nb::sig("def _gauge_totals(self) -> dict[str, typing.Any]"))
      .def("_gauge_counts", &counts, "hidden"_a,
           nb::sig("def _gauge_counts(self, hidden: int) -> dict[str, numpy.typing.NDArray[numpy.uint64]]"))
      .def("_gauge_sample", &sample, "hidden"_a,
           nb::sig("def _gauge_sample(self, hidden: int) -> numpy.typing.NDArray[numpy.float32]"));
}

}  // namespace streamdl
