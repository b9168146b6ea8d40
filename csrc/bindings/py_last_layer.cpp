#include "bindings/py_last_layer.h"

#include "bindings/observations.h"

using namespace nanobind::literals;

namespace streamdl {

PyLastLayer::PyLastLayer(PyLearner& body, PyTD& head, bool learns, const Checkpoint* checkpoint) {
  const Plan& plan = body.learner->plan();
  if (plan.spec.loss != Loss::squared_error)
    refuse("body: expected a learner whose loss is squared_error, got another one");
  if (plan.rule.descends_output)
    refuse("body: expected an optimizer without traces, got " + std::string(plan.rule.name));
  if (body.twice != head.twice) refuse("head: expected the dtype of the body, got another one");
  if (body.outputs != head.features)
    refuse("head: expected as many features as the body has outputs (" + std::to_string(body.outputs) + "), got " +
           std::to_string(head.features));
  if (!checkpoint && head.td->within_episode())
    refuse("head: expected one that is not within an episode, since the body has not seen its last observation");
  features = body.inputs;
  twice = body.twice;
  small = body.small && head.small;
  held = layer = LastLayer::build(body.learner, head.td, learns);
  members = {{"body.", &body}, {"head.", &head}};
  if (!checkpoint) return;
  const Checkpoint own(*checkpoint, "", {members[0].prefix, members[1].prefix});
  compare(layer->entries(), own);
  copy_state(*layer, own);
}

void define_last_layer(nb::module_& m) {
  nb::class_<PyLastLayer> layer(m, "LastLayer", nb::dynamic_attr());
  layer
      .def(nb::init<PyLearner&, PyTD&, bool, const Checkpoint*>(), "body"_a, "head"_a, "learns"_a,
           "checkpoint"_a.none() = nb::none(), nb::keep_alive<1, 2>(), nb::keep_alive<1, 3>())
      .def_prop_ro(
          "steps", [](PyLastLayer& p) { return p.layer->head().steps(); }, "Observations learned from so far.");
  define_observations(layer);
  define_state(layer);
}

}  // namespace streamdl
