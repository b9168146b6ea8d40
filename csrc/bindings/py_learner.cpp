#include "bindings/py_learner.h"

#include <map>
#include <string>
#include <string_view>

#include "bindings/spec.h"

namespace streamdl {

container::DType dtype_of(Type t) {
  return t == Type::f32 ? container::DType::F32 : t == Type::f64 ? container::DType::F64 : container::DType::U64;
}

std::vector<uint64_t> shape_of(const FieldEntry& e) { return {e.shape.begin(), e.shape.end()}; }

namespace {

void compare(const Plan& plan, const Checkpoint& c) {
  std::map<std::string_view, const container::TensorView*> found;
  for (const auto& t : c.parsed.tensors) found[t.name] = &t;
  for (const FieldEntry& e : plan.entries) {
    const auto it = found.find(e.name);
    if (it == found.end()) throw nb::value_error(("checkpoint: the array '" + e.name + "' is missing").c_str());
    if (it->second->dtype != dtype_of(e.type) || it->second->shape != shape_of(e))
      throw nb::value_error(
          ("checkpoint: the array '" + e.name + "' has another shape or type than its learner").c_str());
  }
  if (found.size() != plan.entries.size())
    throw nb::value_error("checkpoint: it holds arrays that its learner does not have");
}

}  // namespace

PyLearner::PyLearner(const nb::dict& spec, const Checkpoint* checkpoint) {
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
void PyLearner::check_loaded(const Plan& plan) const {
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

}  // namespace streamdl
