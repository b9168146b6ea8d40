// Where weights come from: random draws, start values of fields, a new learner.
#include <algorithm>
#include <cmath>

#include "learner/learner.h"
#include "math/elementary.h"
#include "math/philox.h"

namespace streamdl {

template <class T>
std::array<uint32_t, 2> LearnerOf<T>::key() const {
  const uint64_t seed = *block_->at<uint64_t>(plan_->seed);
  return {(uint32_t)seed, (uint32_t)(seed >> 32)};
}

// What a stream holds for the weights of one unit, one number per source and one for the bias. `when` tells
// the times apart that the unit is drawn, `place` the matrices. Valid until the next draw.
template <class T>
const double* LearnerOf<T>::draw_incoming(const Dense& d, uint32_t place, int unit, Stream stream, uint64_t when) {
  const int n = d.inputs + 1;
  double *out = drawn_[0].data(), *second = drawn_[1].data();
  const bool initial = stream == kInitial || stream == kReset;
  if (initial && d.init == Init::zeros) {
    std::fill(out, out + n, 0.0);
    return out;
  }
  const bool normal = initial && d.init == Init::kaiming_normal;
  const uint32_t counter[4] = {0, (uint32_t)unit, (uint32_t)when, (uint32_t)stream << 24 | place};
  kernels_.uniforms(out, normal ? second : nullptr, n, counter, key().data());
  const double deviation = std::sqrt(d.gain_squared / d.inputs);
  for (int i = 0; normal && i < n; ++i)
    out[i] = deviation * std::sqrt(-2 * base::log(1 - out[i])) * std::cos(6.283185307179586 * second[i]);
  if (d.init == Init::signs && stream != kLottery) {  // the unit fires from a share of its pattern on
    double negative = 0;
    for (int i = 0; i < d.inputs; ++i) negative += out[i] < 0.5, out[i] = out[i] < 0.5 ? -1 : 1;
    out[d.inputs] = negative - d.threshold * d.inputs;
    return out;
  }
  for (int i = 0; !normal && i < n; ++i) out[i] = d.bound * (2 * out[i] - 1);
  return out;
}

// For L2Init: the weights as they are before the first update.
template <class T>
void LearnerOf<T>::keep_first_values() {
  if (*block_->at<uint64_t>(plan_->updates) != 0 || !plan_->method(Method::L2Init)) return;
  plan_->each_matrix([&](const Dense& d, uint32_t) {
    for (int i = 0; i < d.vectors; ++i) std::copy(vector(d, i), vector(d, i) + d.columns, vector(d, i) + d.anchor);
  });
  if (prepared_) prepare();
}

template <class T>
double LearnerOf<T>::largest_first_value() const {
  double most = 0;
  plan_->each_matrix([&](const Dense& d, uint32_t) {
    for (int i = 0; i < d.vectors; ++i)
      most = std::max(most, (double)kernels_.largest(vector(d, i) + d.anchor, d.columns));
  });
  return most;
}

template <class T>
void LearnerOf<T>::draw_matrix(const Dense& d, uint32_t place) {
  for (int i = 0; i < d.vectors; ++i)
    for (int k = 0; k < d.columns; ++k) set_start(vector(d, i) + k, d.columns);
  for (int k = 0; k < d.outputs; ++k) {
    const double* drawn = draw_incoming(d, place, k, kInitial, 0);
    for (int j = 0; j < d.inputs; ++j) *weight(d, j, k) = (T)drawn[j];
    if (draws_bias(d)) bias(d)[k] = (T)drawn[d.inputs];
    if (d.init != Init::sparse) continue;
    // Exactly this many incoming weights are 0, chosen by their own draws.
    drawn = draw_incoming(d, place, k, kLottery, 0);
    std::vector<std::pair<double, int>> order;
    for (int j = 0; j < d.inputs; ++j) order.push_back({drawn[j], j});
    std::sort(order.begin(), order.end());
    for (int j = 0; j < (int)std::ceil(d.sparsity * d.inputs); ++j) *weight(d, order[j].second, k) = T(0);
  }
}

template <class T>
void LearnerOf<T>::initialize() {
  const Spec& spec = plan_->spec;
  *block_->at<uint64_t>(plan_->seed) = spec.seed;
  const std::vector<double> values = plan_->initial_hyper();
  std::copy(values.begin(), values.end(), hyper());
  plan_->each_matrix([&](const Dense& d, uint32_t place) { draw_matrix(d, place); });
  plan_->each_parameters([&](const UnitOp& op, size_t which) {
    const Parameters& p = op.arrays[which];
    if (!p.of_units) return;
    T* own = block_->at<T>(p.offset);
    for (int k = 0; k < p.columns; ++k) {
      own[k] = k < p.used ? (T)p.start : T(0);
      set_start(own + k, p.columns);
    }
  });
  for (const Boundary& b : plan_->boundaries)
    for (const UnitOp& op : b.ops)
      for (const UnitNumber& number : op.states)
        std::fill_n(block_->at<T>(number.offset), op.in.size(), (T)number.start);
  for (int c = 0; c < plan_->rule.clock_count; ++c)
    for (const Boundary& b : plan_->boundaries) {
      std::fill_n(block_->at<double>(b.clock[c]), b.clocked(), 1.0);
      for (const UnitOp& op : b.ops) std::fill_n(block_->at<double>(op.clock[c]), op.clocked, 1.0);
    }
  const RuleInfo& rule = plan_->rule;
  const bool of_arrays = rule.sums.count && rule.sums.scope == base::Scope::array;
  for (size_t a = 0; a < (of_arrays ? plan_->array_names.size() : 1); ++a)
    for (int i = 0; i < rule.shared_count; ++i) {
      const int start = rule.shared[i].start;
      shared_of((int)a)[i] = start == base::kStartsAtOne ? 1 : start < 0 ? 0 : hyper()[start];
    }
  for (size_t i = 0; i < plan_->hidden.size(); ++i) {
    if (plan_->method(Method::ContinualBackprop))
      for (int k = 0; k < plan_->dense[i].outputs; ++k) block_->at<double>(plan_->hidden[i].decay_power)[k] = 1;
    if (plan_->incoming_sums) rebuild_incoming((int)i);
  }
  state_loaded();
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
