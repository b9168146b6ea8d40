// What lies between two dense layers: operations, some of them with parameters of their own.
#include <algorithm>
#include <limits>

#include "learner/learner.h"

namespace streamdl {

// The last operation lists who is active.
template <class T>
bool LearnerOf<T>::forward_ops(int b, bool train, uint64_t step) {
  Scratch& s = scratch_[b];
  Pass pass{train, step, key(), 0};
  for (size_t i = 0; i < s.before; ++i) {
    pass.place = (uint32_t)kDropout << 24 | (uint32_t)b << 8 | (uint32_t)i;
    if (!s.ops[i]->forward(s.values[i], s.values[i + 1], pass)) return false;
  }
  return emit(s, s.values[s.before]);
}

// Takes delta (and sensitivity) of boundary b from its values back to what the layer below gave, in place, and computes
// the gradients of the operations' parameters.
template <class T>
void LearnerOf<T>::back_ops(int b, bool sensitivities, bool learns) {
  Scratch& s = scratch_[b];
  for (int k = s.units; k < padded<T>(s.units); ++k) s.delta[k] = s.sensitivity[k] = T(0);  // may be of a longer vector
  for (size_t i = s.ops.size(); i-- > 0;)
    s.ops[i]->back(s.values[i], s.values[i + 1], s.delta, sensitivities ? s.sensitivity : nullptr, learns);
}

// The same for an upper bound of |delta|; adds what an update must leave finite to `most`.
template <class T>
double LearnerOf<T>::stretch(int b, double delta, double* most) const {
  const auto& ops = scratch_[b].ops;
  for (size_t i = ops.size(); i-- > 0;) delta = ops[i]->stretch(delta, most);
  return delta;
}

template <class T>
void LearnerOf<T>::step_ops() {
  for (int b = 0; b < (int)scratch_.size(); ++b) step_ops(b);
}

// Measures or updates the parameters of boundary b's operations, from their gradients.
template <class T>
void LearnerOf<T>::step_ops(int b) {
  for (auto& op : scratch_[b].ops)
    if (op->plan().parameter >= 0) step_op(*op);
}

template <class T>
void LearnerOf<T>::step_op(Operation<T>& op) {
  const UnitOp& plan = op.plan();
  const bool of_units = sums_units() && !plan_->rule.sums.biases_apart;
  const int columns = plan.arrays[0].columns;
  if (measuring_ && sums_units()) std::fill(op.gradients()[0].unit_sums, op.gradients()[0].unit_sums + columns, T(0));
  for (size_t which = 0; which < plan.arrays.size(); ++which) {
    const Parameters& p = plan.arrays[which];
    const auto& g = op.gradients()[which];
    StoredUpdateArgs<T> a = stored(p.array);
    uint32_t noise[6];
    start_noise(noise, place_of(plan, which));
    a.noise = noise;
    a.columns = p.columns;
    a.used = p.used;
    a.anchor = pull() != 0 ? p.anchor : 0;
    if (p.anchor) a.pull = (T)pull();
    if (plan.filters.outputs && clips_in_update()) a.clip = clip_of(plan.filters);
    for (int k = 0; k < plan_->rule.clock_count; ++k) a.column_correction[k] = op.correction(k);
    // The weights of one unit count together, its bias apart where the rule says so.
    if (of_units || (sums_units() && plan.filters.outputs && which == 0))
      a.unit_sums = g.unit_sums, a.unit_factors = g.unit_factors;
    const uint32_t draws = ((uint32_t)p.used + 63) / 64 * 16;
    for (int r = 0; r < p.rows; ++r) {
      a.weights = op.parameters(p, r);
      a.gradient = g.gradient + (size_t)r * p.columns;
      if (plan_->rule.sensitive()) a.sensitivity = g.sensitivity + (size_t)r * p.columns;
      a.first_draw = (uint32_t)r * draws;
      step_stored(a, p.array);
    }
  }
  if (measuring_ && sums_units())
    kernels_.rules[plan_->rule.index].conclude_units(op.gradients()[0].unit_sums, op.gradients()[0].unit_factors,
                                                     plan.arrays[0].used, shared_of(plan.arrays[0].array));
}

// Whether the update of boundary b's parameters from their gradients is sure to leave them finite. Rules with fields
// look at each weight themselves.
template <class T>
bool LearnerOf<T>::ops_fit(int b) const {
  const double step_size = hyper()[0], most = std::numeric_limits<T>::max() / 4;
  for (const auto& op : scratch_[b].ops)
    for (size_t which = 0; which < op->plan().arrays.size(); ++which) {
      const auto& g = op->gradients()[which];
      const double gradient = kernels_.largest(g.gradient, (int)g.count);
      if (!kernels_.all_finite(g.gradient, (int)g.count) || !(gradient < most)) return false;
      if (plan_->rule.field_count) continue;
      const double w = op->largest(op->plan().arrays[which]);
      if (!(step_size * gradient + reach_.noise + (1 + step_size * decay_rate()) * w < most)) return false;
    }
  return true;
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
