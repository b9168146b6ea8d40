// Rows of silent units that wait for their updates: whoever looks at the state, or changes it, asks for them first. A
// row that is about to be used makes up for what it missed. With "lazy" that is one update after the other, as if it had
// been visited each time: no bit depends on when that happens. With "closed_form" it is one leap (see leaps.cpp): when that
// happens decides about roundings, and about which numbers are drawn.
#include <algorithm>

#include "learner/learner.h"

namespace streamdl {

template <class T>
void LearnerOf<T>::prepare_waiting() {
  if (plan_->leaps()) {
    leaps_.since.resize(kLongestWait + 1);
    leaps_.table.resize(leap_over(kLongestWait, true) + 1);
  }
  for (size_t l = 0; l < plan_->dense.size(); ++l) {
    if (!plan_->waits(l)) continue;
    const int rows = plan_->dense[l].inputs + 1;  // the bias waits for noise alone
    waiting_.resize(plan_->dense.size());
    waiting_[l] = {memory_.allocate<uint64_t>(rows), memory_.allocate<int32_t>(rows + 1),
                   memory_.allocate<uint32_t>(rows), memory_.allocate<uint8_t>(rows),
                   keeps_row_sums((int)l) ? memory_.allocate<double>(rows) : nullptr};
  }
}

// Brings the listed rows, or so many from row `first` on, to where they are after `updates`.
template <class T>
void LearnerOf<T>::wake(int l, const int32_t* rows, int first, int count, uint64_t updates) {
  Waiting& waiting = waiting_[l];
  int late = 0;
  for (int i = 0; i < count; ++i) {
    const int row = rows ? rows[i] : first + i;
    uint64_t& current = waiting.current[row];
    uint8_t& undrawn = waiting.undrawn[row];
    if (current >= updates && !undrawn) continue;
    waiting.late[late] = row;
    waiting.missed[late++] = leap_over(updates - current, undrawn);
    current = updates;
    undrawn = 0;
  }
  if (late && calls_[l].lazy) make_up(l, late, updates, leaps_.possible);
}

template <class T>
void LearnerOf<T>::make_up(int l, int late, uint64_t updates, bool by_leaps) {
  Waiting& waiting = waiting_[l];
  waiting.late[late] = waiting.late[late - 1];  // who is next is asked for early
  UpdateArgs<T> a = calls_[l].update;
  a.rows = waiting.late;
  a.row_count = late;
  a.missed = waiting.missed;
  a.largest = T(0);
  a.cancelled = 0;
  a.leaps = leaps_.table.data();
  uint32_t noise[6];  // counts the last update that is made up for: no row is drawn for that twice
  start_noise(noise, (uint32_t)l, updates - 1);
  a.noise = noise;
  const auto& rule = kernels_.rules[plan_->rule.index];
  const auto missed = rows_fade() ? rule.fade : rule.catch_up[decays()];
  const auto run = by_leaps ? kernels_.leap[plan_->rule.field_count] : missed;
  if (pool_) share_update(calls_[l], run, a);
  else run(a);
  cancelled_ += a.cancelled;
  double& most = bounds_[l].most[0];
  if (plan_->rule.field_count && a.largest > most)
    most = std::min<double>(2.0 * a.largest, std::numeric_limits<T>::max());
}

template <class T>
void LearnerOf<T>::wake_layer(int l, uint64_t updates) {
  if (plan_->waits(l)) wake(l, nullptr, 0, plan_->dense[l].inputs, updates);
}

template <class T>
void LearnerOf<T>::wake_all(uint64_t updates) {
  for (size_t l = 0; l < waiting_.size(); ++l) wake_layer((int)l, updates);
}

// All rows, that were current before this update, have it; what a method draws for it waits.
template <class T>
void LearnerOf<T>::wake_undrawn() {
  const uint64_t made = updates() + 1;
  for (size_t l = 0; l < waiting_.size(); ++l) {
    if (!calls_[l].lazy) continue;
    Waiting& waiting = waiting_[l];
    int late = 0;
    for (int row = 0; row < plan_->dense[l].inputs; ++row) {
      if (waiting.current[row] == made) continue;
      waiting.late[late] = row;
      waiting.missed[late++] = 1;
      waiting.current[row] = made;
      waiting.undrawn[row] = 1;
    }
    if (late) make_up((int)l, late, made, false);
  }
}

// Whatever the state is, it is that of now.
template <class T>
void LearnerOf<T>::all_current() {
  for (size_t l = 0; l < waiting_.size(); ++l) {
    if (!plan_->waits(l)) continue;
    const int rows = plan_->dense[l].inputs + 1;
    std::fill_n(waiting_[l].current, rows, updates());
    std::fill_n(waiting_[l].undrawn, rows, 0);
  }
}

// After an update, the count of which still stands at what it was before: the visited rows have had it.
template <class T>
void LearnerOf<T>::rows_updated() {
  const uint64_t made = updates() + 1;
  if (leaps_.possible && plan_->rule.sums.count) extend_leaps();
  for (size_t l = 0; l < waiting_.size(); ++l) {
    if (!calls_[l].lazy) continue;
    Waiting& waiting = waiting_[l];
    const Scratch& in = scratch_[l];
    for (int i = 0; i < in.count; ++i) waiting.current[in.active[i]] = made;
    if (!leaps_.draws) continue;
    for (int i = 0; i < in.count; ++i) waiting.undrawn[in.active[i]] = 1;
    waiting.current[plan_->dense[l].inputs] = made;
    waiting.undrawn[plan_->dense[l].inputs] = plan_->dense[l].has_bias;
  }
}

// A few rows are looked after in turn, so that none waits for long; the bias always. Whose turn it is follows from the
// number of updates, which a checkpoint holds.
template <class T>
void LearnerOf<T>::look_after_some() {
  const uint64_t made = updates() + 1;
  for (size_t l = 0; l < waiting_.size(); ++l) {
    if (!calls_[l].lazy) continue;
    const int rows = plan_->dense[l].inputs, longest = leaps_.possible ? leaps_.longest : kLongestWait;
    const int turn = (rows + longest - 1) / longest;
    const int first = (int)(made % (uint64_t)((rows + turn - 1) / turn)) * turn;
    wake((int)l, nullptr, first, std::min(turn, rows - first), made);
    if (leaps_.draws) wake((int)l, nullptr, rows, 1, made);
  }
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
