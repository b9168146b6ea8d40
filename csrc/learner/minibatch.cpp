// The batched-backprop baseline: one update from the mean gradient of a minibatch.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "learner/learner.h"

namespace streamdl {
namespace {

// Of a layer's gradients, vector after vector, the bias last.
size_t numbers_of(const Dense& d) { return (size_t)d.columns * (d.vectors - 1) + d.bias_columns; }

}  // namespace

// What the edges of row j lead to.
template <class T>
T* LearnerOf<T>::at_targets(const Dense& d, int j, const T* of, T* into) const {
  for (int e = 0; e < d.columns; ++e) into[e] = e < d.edges ? of[d.column(targets(d, j), e)] : T(0);
  return into;
}

// Measures or updates vector i of layer l, from its gradient in memory.
template <class T>
void LearnerOf<T>::step_vector(int l, int i) {
  const Dense& d = plan_->dense[l];
  Scratch &in = scratch_[l], &out = scratch_[l + 1];
  const bool is_bias = i + 1 == d.vectors, along_inputs = d.by_output && !is_bias;
  const bool apart = is_bias && plan_->rule.sums.biases_apart;
  const int array = d.array + is_bias;
  StoredUpdateArgs<T> a = stored(array);
  a.weights = vector(d, i);
  a.columns = d.columns_of(i);
  a.used = d.length_of(i);
  a.gradient = gradients_[l] + (size_t)i * d.columns;
  a.sensitivity = plan_->rule.sensitive() ? sensitivities_[l] + (size_t)i * d.columns : nullptr;
  T other[kMaxClocks];
  for (int k = 0; k < plan_->rule.clock_count; ++k) {
    const T *source = in.correction[k], *unit = out.correction[k];
    a.column_correction[k] = along_inputs ? source : unit;
    other[k] = is_bias ? T(1) : along_inputs ? unit[i] : source[i];
  }
  a.row_correction = plan_->rule.clock_count ? other : nullptr;
  if (sums_units() && !apart) {
    if (along_inputs) a.unit_factor = out.unit_factors[i];
    else a.unit_sums = out.unit_sums, a.unit_factors = out.unit_factors;
  }
  const bool edges = d.edges && !is_bias;
  if (edges) {
    for (int k = 0; k < plan_->rule.clock_count; ++k)
      a.column_correction[k] = at_targets(d, i, a.column_correction[k], gathered_[k]);
    if (a.unit_factors) a.unit_factors = at_targets(d, i, a.unit_factors, gathered_[kMaxClocks]);
    if (a.unit_sums) a.unit_sums = at_targets(d, i, a.unit_sums, gathered_[kMaxClocks + 1]);
  }
  a.noise = calls_[l].noise;
  a.pull = calls_[l].update.pull;
  a.anchor = d.offset_of(i, d.anchor);
  a.clip = calls_[l].update.clip;
  a.first_draw = (uint32_t)i * ((uint32_t)(d.length_of(0) + 63) / 64 * 16);
  step_stored(a, array);
  for (int e = 0; edges && measuring_ && a.unit_sums && e < d.edges; ++e)
    out.unit_sums[d.column(targets(d, i), e)] = a.unit_sums[e];
  if (measuring_ && sums_units() && along_inputs) out.unit_sums[i] += a.sums[0];
}

template <class T>
void LearnerOf<T>::step_vectors() {
  for (int l = 0; l < (int)plan_->dense.size(); ++l) {
    const Dense& d = plan_->dense[l];
    Scratch& out = scratch_[l + 1];
    const bool measures_units = measuring_ && sums_units();
    if (measures_units) std::fill(out.unit_sums, out.unit_sums + plan_->boundaries[l + 1].padded, T(0));
    for (int i = 0; i < d.vectors - !d.has_bias; ++i) step_vector(l, i);
    if (measures_units)
      kernels_.rules[plan_->rule.index].conclude_units(out.unit_sums, out.unit_factors, d.outputs, shared_of(d.array));
  }
  step_ops();
}

// Calls visit(gradients or sensitivities, count) for every array of parameters of operations, in a fixed order.
template <class T>
template <class Visit>
void LearnerOf<T>::visit_op_gradients(const Visit& visit) {
  for (Scratch& s : scratch_)
    for (auto& op : s.ops)
      for (auto& g : op->gradients()) {
        visit(g.gradient, g.count);
        if (plan_->rule.sensitive()) visit(g.sensitivity, g.count);
      }
}

// Gradients are summed in memory, then every row is updated once.
template <class T>
Status LearnerOf<T>::step_minibatch(const T* xs, const T* ys, const int64_t* labels, int n, double* loss, int* bad) {
  const FloatingPoint environment;
  if (touched_) refresh();
  wake_all();
  const int layers = (int)plan_->dense.size();
  const bool slopes = plan_->rule.uses_output_slope;
  int widest = 0;
  for (const Dense& d : plan_->dense) widest = std::max(widest, d.columns);
  for (int l = 0; l < layers; ++l) {
    const Dense& d = plan_->dense[l];
    const size_t count = numbers_of(d);
    for (T*& of_edges : gathered_)
      if (d.edges && !of_edges) of_edges = allocate(widest);
    if (!gradients_[l]) gradients_[l] = allocate(count);
    std::fill(gradients_[l], gradients_[l] + count, T(0));
    if (!plan_->rule.sensitive()) continue;
    if (!sensitivities_[l]) sensitivities_[l] = allocate(count);
    std::fill(sensitivities_[l], sensitivities_[l] + count, T(0));
  }
  const int inputs = plan_->boundaries.front().units, outputs = plan_->boundaries.back().sent;
  std::vector<std::vector<T>> op_sums;
  minibatch_activations_.assign(gauges_ ? (size_t)layers - 1 : plan_->hidden.size(), {});
  std::vector<std::vector<T>>& activations = minibatch_activations_;
  visit_op_gradients([&](T*, size_t count) { op_sums.emplace_back(count, T(0)); });
  double total = 0;
  minibatch_ = n;
  Status status = Status::ok;
  for (int i = 0; i < n && status == Status::ok; ++i) {
    *bad = i;
    if ((status = load({xs + (size_t)i * inputs}, false)) != Status::ok) break;
    if (!forward(true, steps() + i)) {
      status = Status::overflow;
      break;
    }
    LossResult<T> result;
    const Target<T> target{ys ? ys + (size_t)i * outputs : nullptr, labels ? labels[i] : 0};
    if ((status = examine(target, &result)) != Status::ok) break;
    total += result.loss;
    if (plan_->spec.optimizer.exact_sensitivity) exact_sensitivities();
    if (slopes) output_slopes();
    for (int b = layers; b >= 0; --b) {
      Scratch& s = scratch_[b];
      back_ops(b, diagonal(), true);
      if (b == 0) break;
      const Dense& d = plan_->dense[b - 1];
      const T* x = value(b - 1);
      const T* sensitivity = diagonal() ? s.sensitivity : s.exact;
      auto size = [slopes](T v) { return slopes ? std::abs(v) : v * v; };
      auto add = [&](int i, T factor, const T* gradient, T size, const T* curvature, int n) {
        kernels_.accumulate(gradients_[b - 1] + (size_t)i * d.columns, factor, gradient, n);
        if (plan_->rule.sensitive())
          kernels_.accumulate(sensitivities_[b - 1] + (size_t)i * d.columns, size, curvature, n);
      };
      if (d.by_output) {
        T* sizes = scratch_[b - 1].mean;
        std::transform(x, x + d.columns, sizes, size);
        for (int k = 0; k < d.outputs; ++k) add(k, s.delta[k], x, sensitivity[k], sizes, d.columns);
      }
      for (int j = 0; !d.by_output && j < d.inputs; ++j) {
        if (x[j] == T(0)) continue;
        const bool curved = plan_->rule.sensitive();
        const T* gradient = d.edges ? at_targets(d, j, s.delta, gathered_[0]) : s.delta;
        const T* curvature = d.edges && curved ? at_targets(d, j, sensitivity, gathered_[1]) : sensitivity;
        add(j, x[j], gradient, size(x[j]), curvature, d.columns);
      }
      add(d.vectors - 1, T(1), s.delta, T(1), sensitivity, plan_->boundaries[b].padded);
      read_back(b, false);
      if (diagonal()) read_back(b, true);
    }
    size_t sums = 0;
    visit_op_gradients([&](T* part, size_t count) {
      std::vector<T>& sum = op_sums[sums++];
      for (size_t k = 0; k < count; ++k) sum[k] += part[k];
    });
    for (size_t h = 0; h < activations.size(); ++h)
      activations[h].insert(activations[h].end(), value((int)h + 1), value((int)h + 1) + scratch_[h + 1].units);
  }
  if (status == Status::ok && !(total / n <= std::numeric_limits<double>::max())) status = Status::overflow;
  for (int l = 0; l < layers && status == Status::ok; ++l) {
    const Dense& d = plan_->dense[l];
    T most(0);
    for (int i = 0; i < d.vectors; ++i) {
      const T* gradient = gradients_[l] + (size_t)i * d.columns;
      if (!kernels_.all_finite(gradient, d.columns_of(i))) status = Status::overflow;
      most = std::max(most, kernels_.largest(gradient, d.columns_of(i)));
    }
    if (plan_->rule.field_count) continue;  // each weight is checked as it is updated
    const double decay = hyper()[0] * decay_rate();
    const double update = hyper()[0] * (double)most / n;
    if (!(update + (1 + decay) * bounds_[l].most[0] < std::numeric_limits<T>::max() / 4)) status = Status::overflow;
  }
  size_t part = 0;  // those of operations: their means replace the last example's
  if (status == Status::ok)
    visit_op_gradients([&](T* mean, size_t count) {
      const std::vector<T>& sums = op_sums[part++];
      for (size_t k = 0; k < count; ++k) mean[k] = sums[k] * (T(1) / (T)n);
    });
  for (int b = 0; b <= layers && status == Status::ok; ++b)
    if (!ops_fit(b)) status = Status::overflow;
  if (status != Status::ok) {
    minibatch_ = 0;
    return status;
  }

  const T share = T(1) / (T)n;
  for (int l = 0; l < layers; ++l) {
    const size_t count = numbers_of(plan_->dense[l]);
    for (size_t i = 0; i < count; ++i) gradients_[l][i] *= share;
    for (size_t i = 0; plan_->rule.sensitive() && i < count; ++i) sensitivities_[l][i] *= share;
  }
  const bool watched = gauges_ && gauges_->watches(steps());
  if (watched) gauges_->before_update(steps(), false);
  keep_first_values();
  tick();
  begin_update();
  const bool before = plan_->rule.sums.before;
  measuring_ = before;
  if (before) step_vectors();
  measuring_ = false;
  if (!before || conclude()) step_vectors();
  if (plan_->rule.sums.count && !before) conclude();
  if (watched) gauges_->after_update();
  measure_bounds();
  for (Scratch& s : scratch_) s.sums_stale = true;
  for (int e = 0; gauges_ && e < n; ++e) {
    for (int h = 0; h + 1 < layers; ++h) {
      const int units = scratch_[h + 1].units;
      std::memcpy(value(h + 1), activations[h].data() + (size_t)e * units, sizeof(T) * units);
    }
    gauges_->observe(steps() + e);
  }
  ++*block_->at<uint64_t>(plan_->updates);
  all_current();
  *block_->at<uint64_t>(plan_->steps) += (uint64_t)n;
  if (const MethodInfo* method = plan_->method(Method::ContinualBackprop)) {
    const bool centred = scratch_[1].worth.mean_activation;
    const double decay = hyper()[method->hyper + base::ContinualBackprop::decay];
    for (size_t i = 0; i < plan_->hidden.size(); ++i) {
      Scratch& s = scratch_[i + 1];
      const int units = plan_->dense[i].outputs;
      if (plan_->incoming_sums) rebuild_incoming((int)i);
      std::fill(s.mean, s.mean + plan_->boundaries[i + 1].padded, T(0));
      std::fill(s.magnitude, s.magnitude + plan_->boundaries[i + 1].padded, T(0));
      for (int e = 0; e < n; ++e)
        for (int k = 0; k < units; ++k) s.mean[k] += activations[i][(size_t)e * units + k] * share;
      for (int k = 0; k < units; ++k) {
        const double c = 1 - block_->at<double>(plan_->hidden[i].decay_power)[k] * decay;
        const double f = decay * block_->at<T>(plan_->hidden[i].mean_activation)[k] + (1 - decay) * s.mean[k];
        const T centre = centred ? (T)(f / c) : T(0);
        for (int e = 0; e < n; ++e) s.magnitude[k] += std::abs(activations[i][(size_t)e * units + k] - centre) * share;
      }
    }
  }
  plasticity();
  minibatch_ = 0;
  std::memcpy(output_, value(layers), sizeof(T) * padded<T>(outputs));
  *loss = total / n;
  return Status::ok;
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
