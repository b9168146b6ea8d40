// Closed forms of what rows of silent units missed: one leap for all of it, from a table by the number of updates. Noise is
// drawn late, once for all the updates that a row has slept through, and the one before them.
#include <algorithm>
#include <cmath>
#include <iterator>

#include "learner/learner.h"
#include "rules/plasticity/shrink_and_perturb.h"

namespace streamdl {
namespace {

using base::SilentUpdate;

// `next` after `before`; of one weight, the noise of both is independent.
SilentUpdate joined(const SilentUpdate& next, const SilentUpdate& before) {
  SilentUpdate both;
  both.weight_of_weight =
      next.weight_of_weight * before.weight_of_weight + next.weight_of_field * before.field_of_weight;
  both.weight_of_field = next.weight_of_weight * before.weight_of_field + next.weight_of_field * before.field_of_field;
  both.weight_of_first = next.weight_of_weight * before.weight_of_first + next.weight_of_field * before.field_of_first +
                         next.weight_of_first;
  both.field_of_weight = next.field_of_weight * before.weight_of_weight + next.field_of_field * before.field_of_weight;
  both.field_of_field = next.field_of_weight * before.weight_of_field + next.field_of_field * before.field_of_field;
  both.field_of_first =
      next.field_of_weight * before.weight_of_first + next.field_of_field * before.field_of_first + next.field_of_first;
  both.noise = std::hypot(next.weight_of_weight * before.noise, next.noise);
  return both;
}

template <class T>
Leap<T> rounded(const SilentUpdate& u) {
  return {(T)u.weight_of_weight,
          (T)u.weight_of_field,
          (T)u.weight_of_first,
          (T)u.field_of_weight,
          (T)u.field_of_field,
          (T)u.field_of_first,
          (T)u.noise};
}

// Whether none of its numbers is near the end of the numbers; where silent weights grow with each update, that is so for
// a few updates alone.
bool is_small(const SilentUpdate& u) {
  const double all[] = {u.weight_of_weight,
                        u.weight_of_field,
                        u.weight_of_first,
                        u.field_of_weight,
                        u.field_of_field,
                        u.field_of_first,
                        u.noise};
  return std::all_of(std::begin(all), std::end(all), [](double each) { return std::abs(each) < base::kSmall; });
}

}  // namespace

// What the present update is for a silent weight; false where it has no closed form.
template <class T>
bool LearnerOf<T>::silent_update(SilentUpdate* update) const {
  const double* common = hyper() + plan_->rule.hypers;
  const bool decays = plan_->rule.common_hypers;
  return plan_->rule.silent({hyper(), decays ? common[0] : 0, decays ? common[1] : 0, pull(),
                             block_->at<double>(plan_->shared), (double)error_, !leaps_.applied},
                            update) &&
         !clips_in_update();
}

// From the hyper-parameters, while all rows are current.
template <class T>
void LearnerOf<T>::prepare_leaps() {
  if (!plan_->leaps()) return;
  using Table = base::ShrinkAndPerturb;
  Leaps& leaps = leaps_;
  const MethodInfo* method = plan_->method(Method::ShrinkAndPerturb);
  const double* h = method ? hyper() + method->hyper : nullptr;
  SilentUpdate update, late;  // late: what visited rows wait for, too
  leaps.possible = plan_->rule.silent && silent_update(&update);
  leaps.perturbs = method && h[Table::period] == 1;
  leaps.draws = leaps.perturbs || plan_->rule.uses_noise;
  if (!leaps.possible) return;
  if (plan_->rule.uses_noise) {
    plan_->rule.without_noise(hyper(), leaps.hyper);
    late.noise = update.noise;
  }
  if (leaps.perturbs) {
    late.weight_of_weight = 1 - h[Table::shrink];
    late.noise = h[Table::noise] * (method->options[Table::scaled_by_step_size] ? hyper()[0] : 1);
    leaps.noise = late.noise;
    update = joined(late, update);
  }
  SilentUpdate since;
  for (int k = 0; k <= kLongestWait; ++k) {
    if (k > 0) since = joined(update, since), late = joined(update, late);
    if (k > 1 && !(is_small(since) && is_small(late))) break;
    leaps.since[k] = since;
    leaps.table[leap_over((uint64_t)k, false)] = rounded<T>(since);
    leaps.table[leap_over((uint64_t)k, true)] = rounded<T>(late);
    leaps.longest = std::max(k, 1);
  }
}

// Another update was made, of which every leap has to know, where they are not all alike.
template <class T>
void LearnerOf<T>::extend_leaps() {
  SilentUpdate update;
  silent_update(&update);
  for (int k = kLongestWait; k > 0; --k) {
    leaps_.since[k] = joined(update, leaps_.since[k - 1]);
    leaps_.table[k] = rounded<T>(leaps_.since[k]);
  }
  leaps_.applied = false;
}

//---------------------------------------------------------------------------- sums

// Whether a rule's sums go over rows that wait: each row's is kept, and shrinks as its field does.
template <class T>
bool LearnerOf<T>::keeps_row_sums(int l) const {
  return plan_->leaps() && plan_->rule.sums.count && plan_->waits(l);
}

template <class T>
void LearnerOf<T>::rebuild_row_sums() {
  wake_all();
  for (size_t l = 0; l < waiting_.size(); ++l) {
    if (!keeps_row_sums((int)l)) continue;
    const Dense& d = plan_->dense[l];
    for (int j = 0; j < d.inputs; ++j)
      waiting_[l].sums[j] = (double)kernels_.absolute_sum(vector(d, j) + d.columns, d.columns);
  }
  leaps_.sums_stale = false;
}

// Of layer l, whose listed rows were measured.
template <class T>
double LearnerOf<T>::sum_of_rows(int l, const int32_t* rows, int count) {
  SilentUpdate update;
  silent_update(&update);
  double* const sums = waiting_[l].sums;
  const int n = plan_->dense[l].inputs;
  for (int j = 0; j < n; ++j) sums[j] *= update.field_of_field;
  for (int i = 0; i < count; ++i) sums[rows[i]] = (double)calls_[l].update.row_sums[0][rows[i]];
  double parts[4] = {};
  for (int j = 0; j < n; ++j) parts[j % 4] += sums[j];
  const double sum = (parts[0] + parts[1]) + (parts[2] + parts[3]);
  if (!std::isfinite(sum)) leaps_.sums_stale = true;  // what fades from infinity has to be added up anew
  return sum;
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
