#include "bindings/py_learner.h"

#include <algorithm>
#include <string>

#include "bindings/spec.h"

namespace streamdl {

PyLearner::PyLearner(const nb::dict& spec, const Checkpoint* checkpoint) {
  std::shared_ptr<const Plan> plan;
  try {
    Spec s = spec_from(spec);
    // A hostile description must not cost much more than its file: every dense layer has an array there.
    size_t dense = 0;
    for (const LayerSpec& l : s.layers)
      dense += l.kind == LayerSpec::Kind::linear || l.kind == LayerSpec::Kind::sparse_linear;
    if (checkpoint && dense > checkpoint->parsed.tensors.size())
      throw std::invalid_argument("checkpoint: it describes more layers than it holds arrays");
    plan = std::make_shared<const Plan>(std::move(s));
  } catch (const std::invalid_argument& e) {
    throw nb::value_error(e.what());
  }
  if (checkpoint) compare(plan->entries, *checkpoint);
  held = learner = Learner::build(plan);
  inputs = plan->boundaries.front().units;
  outputs = plan->boundaries.back().sent;
  twice = plan->spec.twice;
  classes = plan->spec.loss == Loss::cross_entropy;
  constexpr size_t kSmall = (size_t)1 << 18;  // a step takes a few microseconds: not worth releasing the GIL
  const Dense& first = plan->dense[0];
  const size_t weight = (twice ? sizeof(double) : sizeof(float)) * (1 + plan->rule.field_count);
  const size_t vector = weight * first.columns, layer = vector * (first.vectors - 1);
  // Of the bias behind few outputs, and of the spare vector, only a few numbers are visited.
  const size_t visited = plan->bytes - (first.by_output ? 2 * vector : 0);
  small = visited <= kSmall;
  few = plan->rule.silent_rows_rest && visited - layer <= kSmall ? kSmall / (layer / first.inputs) : 0;
  if (!checkpoint) return;
  copy_state(*learner, *checkpoint);
  check_loaded(*plan);
  learner->state_loaded();
}

// The numbers of a file must be ones that a learner can have written.
void PyLearner::check_loaded(const Plan& plan) const {
  const Block& block = *learner->block();
  const uint64_t updates = *block.at<uint64_t>(plan.updates), most = (uint64_t)1 << 62;
  if (updates > most || *block.at<uint64_t>(plan.steps) > most)
    throw nb::value_error("checkpoint: its counters are larger than any learner's");
  for (const Dense& d : plan.dense) {
    std::vector<bool> taken(d.edges ? d.places() : 0);
    for (int j = 0; j < d.inputs && d.edges; ++j) {
      std::fill(taken.begin(), taken.end(), false);
      const int32_t* target = block.at<int32_t>(d.targets) + (size_t)j * d.target_stride;
      for (int b = 0; b < d.blocks(); ++b) {
        const bool leads = target[b] >= 0 && target[b] < d.outputs && target[b] % d.block == 0;
        if (!leads || taken[target[b] / d.block])
          throw nb::value_error("checkpoint: an edge leads nowhere, or where another one of its unit does");
        taken[target[b] / d.block] = true;
      }
    }
  }
  for (size_t h = 0; h < plan.hidden.size(); ++h) {
    if (*block.at<uint64_t>(plan.hidden[h].replacements) > most)
      throw nb::value_error("checkpoint: its counters are larger than any learner's");
    for (int k = 0; k < plan.dense[h].outputs; ++k)
      if (block.at<uint64_t>(plan.hidden[h].birth)[k] > updates)
        throw nb::value_error("checkpoint: a unit is younger than its learner");
  }
}

}  // namespace streamdl
