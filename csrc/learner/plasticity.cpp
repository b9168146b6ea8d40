// What happens after the optimizer's step: the methods in their order, units that are born again, Shrink & Perturb,
// clipping, resets of outputs.
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "learner/learner.h"

namespace streamdl {

template <class T>
void LearnerOf<T>::plasticity() {
  const bool forgets = plan_->unit_methods > 1;
  const bool restarts =
      plan_->unit_methods > 0 && (plan_->rule.starts_at_weight || plan_->method(Method::HareAndTortoise));
  for (size_t i = 0; i < plan_->methods.size(); ++i) {
    const MethodInfo& method = plan_->methods[i];
    switch (method.kind) {
      case Method::ContinualBackprop: continual_backprop(method); break;
      case Method::ReDo: redo(method); break;
      case Method::SelfNormalizedReset: self_normalized_reset(method); break;
      case Method::Imprinting: imprint_surprises(method); break;
      case Method::ShrinkAndPerturb: shrink_and_perturb(method); break;
      case Method::L2Init: break;  // in the update
      case Method::WeightClipping:
        if (!clips_in_update()) clip_weights();
        break;
      case Method::HareAndTortoise: hare_and_tortoise(method); break;
      case Method::NormalizeAndProject: normalize_and_project(method); break;
      case Method::SelectiveWeightReinit: selective_weight_reinit(method); break;
      case Method::ContinuousContinualBackprop: continuous_continual_backprop(method); break;
      case Method::SET:
      case Method::RigL:
      case Method::EdgeUtility: rewire(method); break;
    }
    if (restarts && method.of_units) visit_newborn([this](int hidden, int unit) { restart(hidden, unit); });
  }
  // Who was born again on this example had another's activation: methods after the one that did it forget that. What
  // starts at a weight starts at what they have made of it.
  if (!forgets && !restarts) return;
  visit_newborn([&](int hidden, int unit) {
    if (forgets) forget(hidden, unit);
    if (restarts) restart(hidden, unit);
  });
}

// Calls visit(hidden layer, unit) for all that were born again on this example.
template <class T>
template <class Visit>
void LearnerOf<T>::visit_newborn(const Visit& visit) {
  const uint64_t now = *block_->at<uint64_t>(plan_->updates);
  for (size_t i = 0; i < plan_->hidden.size(); ++i)
    for (int k = 0; k < plan_->dense[i].outputs; ++k)
      if (block_->at<uint64_t>(plan_->hidden[i].birth)[k] == now) visit((int)i, k);
}

// Whether the examples of this update complete a period.
template <class T>
bool LearnerOf<T>::is_due(double period) const {
  const uint64_t now = steps(), before = now - (minibatch_ ? minibatch_ : 1), every = (uint64_t)std::min(period, 1e18);
  return now / every != before / every;
}

template <class T>
T LearnerOf<T>::largest_weight(size_t l) const {
  const Dense& d = plan_->dense[l];
  T most(0);
  for (int i = 0; i < d.vectors; ++i) most = std::max(most, kernels_.largest(vector(d, i), d.columns_of(i)));
  return most;
}

// A method changed weights of layer l; this is the largest one now.
template <class T>
void LearnerOf<T>::weights_changed(size_t l, T largest) {
  allowed_ = 0;
  unclipped_ = true;
  bounds_[l].most[0] =
      plan_->rule.field_count ? std::min<double>(2.0 * largest, std::numeric_limits<T>::max()) : largest;
  scratch_[l].sums_stale = true;
  if (l < plan_->hidden.size() && plan_->incoming_sums) rebuild_incoming((int)l);
}

// Whether no method before it reads or changes weights.
template <class T>
bool LearnerOf<T>::clips_in_update() const {
  for (const MethodInfo& method : plan_->methods) {
    if (method.kind == Method::WeightClipping) return true;
    if (method.kind != Method::L2Init) return false;
  }
  return false;
}

template <class T>
T LearnerOf<T>::clip_of(const Dense& d) const {
  const MethodInfo* method = plan_->method(Method::WeightClipping);
  return method ? (T)(hyper()[method->hyper] / std::sqrt(d.fan_in())) : std::numeric_limits<T>::infinity();
}

template <class T>
void LearnerOf<T>::clip_weights() {
  unclipped_ = false;
  for (size_t l = 0; l < plan_->dense.size(); ++l) {
    const Dense& d = plan_->dense[l];
    const T most = clip_of(d);
    for (int i = 0; i < d.vectors; ++i)
      for (int k = 0; k < d.columns_of(i); ++k) vector(d, i)[k] = std::clamp(vector(d, i)[k], -most, most);
    scratch_[l].sums_stale = true;
    if (l < plan_->hidden.size() && plan_->incoming_sums) rebuild_incoming((int)l);
  }
  plan_->each_parameters([&](const UnitOp& op, size_t which) {
    const Parameters& p = op.arrays[which];
    if (!op.filters.outputs) return;  // layer norms are not clipped
    const T most = clip_of(op.filters);
    for (int r = 0; r < p.rows; ++r) {
      T* row = block_->at<T>(p.offset) + r * p.row_stride;
      for (int k = 0; k < p.columns; ++k) row[k] = std::clamp(row[k], -most, most);
    }
  });
}

//---------------------------------------------------------------------------- units

// Incoming weights (and a bias behind them) as given or drawn anew, outgoing weights zero, all their fields and the
// unit's state reset.
template <class T>
void LearnerOf<T>::renew(int hidden, int unit, const double* given) {
  const Dense& below = plan_->dense[hidden];
  for (int l : {hidden, hidden + 1}) wake_layer(l, updates());  // a column is written
  const UnitState* u = plan_->hidden.empty() ? nullptr : &plan_->hidden[hidden];
  uint64_t count = *block_->at<uint64_t>(plan_->updates);
  if (u) count = ++*block_->at<uint64_t>(u->replacements);
  const double* drawn = given ? given : draw_incoming(below, (uint32_t)hidden, unit, kRegenerate, count);
  const bool biased = below.has_bias && (given || below.init == Init::signs);
  for (int j = 0; j < below.inputs; ++j) {
    if (j + 64 < below.inputs) __builtin_prefetch(weight(below, j + 64, unit), 1);  // a column: a miss per weight
    T* w = weight(below, j, unit);
    *w = (T)drawn[j];
    set_start(w, below.columns);
  }
  bias(below)[unit] = biased ? (T)drawn[below.inputs] : T(0);
  widen_bounds(hidden, (T)std::max({below.bound, given ? 1.0 : 0.0, std::abs((double)bias(below)[unit])}));
  set_start(bias(below) + unit, below.columns);
  silence(hidden, unit);
  const Boundary& boundary = plan_->boundaries[hidden + 1];
  for (const UnitOp& op : boundary.ops)
    for (const Parameters& p : op.arrays) {
      if (!p.of_units) continue;
      T* own = block_->at<T>(p.offset) + unit;
      *own = (T)p.start;
      set_start(own, p.columns);
    }
  for (const UnitOp& op : boundary.ops)
    for (const UnitNumber& number : op.states) block_->at<T>(number.offset)[unit] = (T)number.start;
  for (int c = 0; c < plan_->rule.clock_count; ++c) block_->at<double>(boundary.clock[c])[unit] = 1;
  // Contribution needs the sums of active rows alone, and those the pass itself brings up to date.
  const bool cached = plan_->method(Method::ContinualBackprop) && plan_->utility() != Utility::contribution;
  if (cached) scratch_[hidden].sums_stale = scratch_[hidden + 1].sums_stale = true;
  unclipped_ = true;
  if (u) forget(hidden, unit);
  if (gauges_) gauges_->forget(hidden, unit);
}

// What methods keep about a unit returns to its value at birth.
template <class T>
void LearnerOf<T>::forget(int hidden, int unit) {
  const UnitState& u = plan_->hidden[hidden];
  block_->at<uint64_t>(u.birth)[unit] = *block_->at<uint64_t>(plan_->updates);
  scratch_[hidden + 1].eligible_until = 0;
  if (plan_->method(Method::ContinualBackprop)) {
    block_->at<T>(u.utility)[unit] = T(0);
    block_->at<T>(u.mean_activation)[unit] = T(0);
    block_->at<double>(u.decay_power)[unit] = 1;
  }
  if (plan_->incoming_sums) rebuild_incoming(hidden, unit);
  if (!silences_.empty()) silences_[hidden].forget(unit, steps());
  if (const size_t at = plan_->dense[hidden].partial_utility) block_->at<T>(at)[unit] = T(1);
}

// Outgoing weights 0, with their fields at their start.
template <class T>
void LearnerOf<T>::silence(int hidden, int unit) {
  const Dense& above = plan_->dense[hidden + 1];
  if (plan_->incoming_sums && hidden + 1 < (int)plan_->hidden.size()) {
    T* sums = block_->at<T>(plan_->hidden[hidden + 1].incoming_sum);
    for (int k = 0; k < above.outputs; ++k) sums[k] -= std::abs(*weight(above, unit, k));
  }
  for (int k = 0; k < above.outputs; ++k) {
    T* w = weight(above, unit, k);
    *w = T(0);
    set_start(w, above.columns);
  }
  widen_bounds(hidden + 1, T(0));
}

// What starts at the weights of a unit, incoming and outgoing, starts anew.
template <class T>
void LearnerOf<T>::restart(int hidden, int unit) {
  const Dense &below = plan_->dense[hidden], &above = plan_->dense[hidden + 1];
  for (int j = 0; j <= below.inputs; ++j)
    start_at(j < below.inputs ? weight(below, j, unit) : bias(below) + unit, 1, below.columns, below.slow);
  for (int k = 0; k < above.outputs; ++k) start_at(weight(above, unit, k), 1, above.columns, above.slow);
  for (const UnitOp& op : plan_->boundaries[hidden + 1].ops)
    for (const Parameters& p : op.arrays)
      if (p.of_units) start_at(block_->at<T>(p.offset) + unit, 1, p.columns, slow_of(p));
}

template <class T>
void LearnerOf<T>::regenerate(int hidden, int unit) {
  const Boundary& b = plan_->boundaries[hidden + 1];
  if (b.units != b.sent)
    throw std::invalid_argument("regenerate: the units of layer " + std::to_string(hidden) +
                                " send two values, as with CReLU and Fourier");
  const FloatingPoint environment;
  if (touched_) refresh();
  renew(hidden, unit);
  restart(hidden, unit);
}

template <class T>
std::vector<uint64_t> LearnerOf<T>::ages(int hidden) const {
  std::vector<uint64_t> ages;
  const uint64_t now = *block_->at<uint64_t>(plan_->updates);
  const uint64_t* birth = block_->at<uint64_t>(plan_->hidden[hidden].birth);
  for (int k = 0; k < plan_->dense[hidden].outputs; ++k) ages.push_back(now - birth[k]);
  return ages;
}

//---------------------------------------------------------------------------- the others

template <class T>
void LearnerOf<T>::shrink_and_perturb(const MethodInfo& method) {
  using Table = base::ShrinkAndPerturb;
  const double* h = hyper() + method.hyper;
  if (!is_due(h[Table::period])) return;
  enum { kZero, kInitialValue, kFresh };
  const int toward = method.options[Table::toward];
  const double shrink = h[Table::shrink];
  const double added = h[Table::noise] * (method.options[Table::scaled_by_step_size] ? hyper()[0] : 1);
  const double noise = toward == kFresh ? 0 : added;
  const uint64_t now = *block_->at<uint64_t>(plan_->updates);
  const bool late = leaps_.perturbs && !minibatch_;  // rows that wait take their share when they wake
  if (!late) wake_all();
  auto return_to = [shrink](T* w, const T* first, int n) {
    for (int k = 0; k < n; ++k) w[k] += (T)shrink * first[k];
  };
  for (size_t l = 0; l < plan_->dense.size(); ++l) {
    const Dense& d = plan_->dense[l];
    if (late && plan_->waits(l)) continue;
    T most(0);
    const int length = d.length_of(0);
    for (int i = 0; i < d.vectors - !d.has_bias; ++i) {
      // a vector takes ceil(length / 4) counters; vectors follow each other
      const uint64_t index = (uint64_t)i * (((uint64_t)length + 63) / 64 * 16);
      const uint32_t counter[4] = {(uint32_t)index, (uint32_t)now, (uint32_t)(now >> 32),
                                   (uint32_t)kPerturb << 24 | (uint32_t)l};
      most = std::max(most, kernels_.perturb(vector(d, i), d.length_of(i), shrink, noise, counter, key().data()));
      if (toward == kInitialValue) return_to(vector(d, i), vector(d, i) + d.offset_of(i, d.anchor), d.columns_of(i));
    }
    if (toward == kFresh) add_fresh(d, (uint32_t)l, added);
    if (late) scratch_[l].sums_stale = true;  // what it adds at most is part of every update's reach
    else weights_changed(l, toward == kZero ? most : largest_weight(l));
  }
  plan_->each_parameters([&](const UnitOp& op, size_t which) {
    const Parameters& p = op.arrays[which];
    const double back = toward == kInitialValue ? shrink : toward == kFresh ? added : 0;
    for (int r = 0; r < p.rows; ++r) {
      const uint32_t counter[4] = {(uint32_t)r * ((uint32_t)(p.used + 63) / 64 * 16), (uint32_t)now,
                                   (uint32_t)(now >> 32), (uint32_t)kPerturb << 24 | place_of(op, which)};
      T* const w = block_->at<T>(p.offset) + r * p.row_stride;
      kernels_.perturb(w, p.used, shrink, noise, counter, key().data());
      for (int k = 0; p.of_units && k < p.used; ++k) w[k] += (T)(back * p.start);
      if (!p.of_units && toward == kInitialValue) return_to(w, w + p.anchor, p.columns);
    }
    if (op.filters.outputs && which == 0 && toward == kFresh) add_fresh(op.filters, place_of(op, 0), added);
  });
}

// Adds weights and biases as a new learner has them, times `noise`.
template <class T>
void LearnerOf<T>::add_fresh(const Dense& d, uint32_t place, double noise) {
  const uint64_t now = *block_->at<uint64_t>(plan_->updates);
  auto draw = [&](int unit) { return draw_initial(d, place, unit, now); };
  visit_drawn(d, draw, [noise](T* w, int, int, double drawn) { *w += (T)(noise * drawn); });
}

template <class T>
void LearnerOf<T>::reset_outputs(const std::vector<int>& units, bool fresh) {
  const FloatingPoint environment;
  if (touched_) refresh();
  wake_all();
  const int l = (int)plan_->dense.size() - 1;
  const Dense& d = plan_->dense[l];
  const uint64_t now = *block_->at<uint64_t>(plan_->updates);
  for (int k : units) {
    const double* drawn = draw_incoming(d, (uint32_t)l, k, kReset, now);
    for (int j = 0; j < d.inputs; ++j) {
      T* w = weight(d, j, k);
      *w = fresh ? (T)drawn[j] : T(0);
      set_start(w, d.columns);
      start_at(w, 1, d.columns, d.slow);
      widen_bounds(l, *w);
    }
    bias(d)[k] = T(0);
    set_start(bias(d) + k, d.columns);
    start_at(bias(d) + k, 1, d.columns, d.slow);
    for (int c = 0; c < plan_->rule.clock_count; ++c) block_->at<double>(plan_->boundaries[l + 1].clock[c])[k] = 1;
  }
  scratch_[l].sums_stale = true;
  unclipped_ = true;
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
