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

// A first weight from two numbers in [0, 1), of which uniform weights need one.
template <class T>
double LearnerOf<T>::draw_weight(const Dense& d, double first, double second) {
  if (d.init != Init::kaiming_normal) return d.bound * (2 * first - 1);
  const double deviation = std::sqrt(d.gain_squared / d.fan_in());
  return deviation * std::sqrt(-2 * base::log(1 - first)) * std::cos(6.283185307179586 * second);
}

// What a stream holds for the weights of one unit, one number per source and one for the bias. `when` tells
// the times apart that the unit is drawn, `place` the matrices. Valid until the next draw.
template <class T>
const double* LearnerOf<T>::draw_incoming(const Dense& d, uint32_t place, int unit, Stream stream, uint64_t when) {
  return draw_incoming(d, place, unit, stream, when, 0, d.inputs + 1);
}

// Of those the `first` and its n - 1 followers.
template <class T>
const double* LearnerOf<T>::draw_incoming(const Dense& d, uint32_t place, int unit, Stream stream, uint64_t when,
                                          int first, int n) {
  double *out = drawn_[0].data(), *second = drawn_[1].data();
  const bool initial = stream == kInitial || stream == kReset || stream == kReinit;
  if (initial && d.init == Init::zeros) {
    std::fill(out, out + n, 0.0);
    return out;
  }
  const bool normal = initial && d.init == Init::kaiming_normal;
  const uint32_t counter[4] = {(uint32_t)first, (uint32_t)unit, (uint32_t)when, (uint32_t)stream << 24 | place};
  kernels_.uniforms(out, normal ? second : nullptr, n, counter, key().data());
  for (int i = 0; normal && i < n; ++i) out[i] = draw_weight(d, out[i], second[i]);
  if (d.init == Init::signs && stream != kLottery) {  // the unit fires from a share of its pattern on
    double negative = 0;
    for (int i = 0; i < n && first + i < d.inputs; ++i) negative += out[i] < 0.5, out[i] = out[i] < 0.5 ? -1 : 1;
    if (first + n > d.inputs) out[d.inputs - first] = negative - d.threshold * d.inputs;
    return out;
  }
  for (int i = 0; !normal && i < n; ++i) out[i] = d.bound * (2 * out[i] - 1);
  return out;
}

// The weights of one unit as a new learner has them, and the bias behind. Valid until the next draw.
template <class T>
const double* LearnerOf<T>::draw_initial(const Dense& d, uint32_t place, int unit, uint64_t when) {
  double* const out = drawn_[2].data();
  const double* drawn = draw_incoming(d, place, unit, kInitial, when);
  std::copy(drawn, drawn + d.inputs, out);
  out[d.inputs] = draws_bias(d) ? drawn[d.inputs] : 0;
  if (d.init != Init::sparse) return out;
  // Exactly this many incoming weights are 0, chosen by their own draws.
  drawn = draw_incoming(d, place, unit, kLottery, when);
  for (int j = 0; j < d.inputs; ++j) order_[j] = {drawn[j], j};
  std::sort(order_.begin(), order_.begin() + d.inputs);
  for (int j = 0; j < (int)std::ceil(d.sparsity * d.inputs); ++j) out[order_[j].second] = 0;
  return out;
}

// What starts at the weights themselves takes them as they are before the first update: they may have been written.
template <class T>
void LearnerOf<T>::keep_first_values() {
  if (*block_->at<uint64_t>(plan_->updates) != 0) return;
  plan_->each_matrix([&](const Dense& d, uint32_t) {
    for (int i = 0; i < d.vectors; ++i) {
      const int columns = d.columns_of(i);
      start_at(vector(d, i), columns, columns, d.offset_of(i, d.slow));
      if (d.anchor) std::copy(vector(d, i), vector(d, i) + columns, vector(d, i) + d.offset_of(i, d.anchor));
    }
    if (d.norm) *block_->at<double>(d.norm) = norm(d);
  });
  plan_->each_parameters([&](const UnitOp& op, size_t which) {
    const Parameters& p = op.arrays[which];
    if (p.of_units) start_at(block_->at<T>(p.offset), p.columns, p.columns, slow_of(p));
  });
  if (prepared_ && plan_->method(Method::L2Init)) prepare();
}

// What starts at the weight itself, of `count` weights that lie together: fields and, behind so many numbers, slow
// weights.
template <class T>
void LearnerOf<T>::start_at(T* weights, int count, int columns, ptrdiff_t slow) {
  if (slow) std::copy(weights, weights + count, weights + slow);
  for (int f = 0; f < plan_->rule.field_count; ++f)
    if (plan_->rule.fields[f].start == base::kStartsAtWeight)
      std::copy(weights, weights + count, weights + (f + 1) * columns);
}

template <class T>
double LearnerOf<T>::largest_first_value() const {
  double most = 0;
  plan_->each_matrix([&](const Dense& d, uint32_t) {
    for (int i = 0; i < d.vectors; ++i)
      most = std::max(most, (double)kernels_.largest(vector(d, i) + d.offset_of(i, d.anchor), d.columns_of(i)));
  });
  return most;
}

template <class T>
void LearnerOf<T>::draw_matrix(const Dense& d, uint32_t place) {
  if (d.edges) draw_edges(d, place);
  for (int k = 0; !d.edges && k < d.outputs; ++k) {
    const double* drawn = draw_initial(d, place, k, 0);
    for (int j = 0; j < d.inputs; ++j) *weight(d, j, k) = (T)drawn[j];
    bias(d)[k] = (T)drawn[d.inputs];
  }
  for (int i = 0; i < d.vectors; ++i)
    for (int k = 0; k < d.columns_of(i); ++k) set_start(vector(d, i) + k, d.columns_of(i));
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
        number.twice ? (void)std::fill_n(block_->at<double>(number.offset), op.in.size(), number.start)
                     : (void)std::fill_n(block_->at<T>(number.offset), op.in.size(), (T)number.start);
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
  for (const Dense& d : plan_->dense)
    if (d.partial_utility) std::fill_n(block_->at<T>(d.partial_utility), d.outputs, T(1));
  keep_first_values();
  state_loaded();
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
