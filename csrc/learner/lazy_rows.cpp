// Rows of silent units that wait for their updates. A row that is about to be used makes up for what it missed, one
// update after the other, as if it had been visited each time: so no bit depends on when that happens, and whoever
// looks at the state, or changes it, has only to ask for it first.
#include <algorithm>

#include "learner/learner.h"

namespace streamdl {
namespace {

constexpr int kLongest = 64;  // updates that a row waits for

}  // namespace

template <class T>
void LearnerOf<T>::prepare_lazy_rows() {
  for (size_t l = 0; l < plan_->dense.size(); ++l) {
    if (!plan_->waits(l)) continue;
    const int rows = plan_->dense[l].inputs;
    waiting_.resize(plan_->dense.size());
    waiting_[l] = {memory_.allocate<uint64_t>(rows), memory_.allocate<int32_t>(rows + 1),
                   memory_.allocate<uint32_t>(rows), 0};
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
    if (current >= updates) continue;
    waiting.late[late] = row;
    waiting.missed[late++] = (uint32_t)(updates - current);
    current = updates;
  }
  if (!late || !calls_[l].lazy) return;
  waiting.late[late] = waiting.late[late - 1];  // who is next is asked for early
  catch_up(l, late);
}

template <class T>
void LearnerOf<T>::catch_up(int l, int late) {
  Waiting& waiting = waiting_[l];
  UpdateArgs<T> a = calls_[l].update;
  a.rows = waiting.late;
  a.row_count = late;
  a.missed = waiting.missed;
  a.largest = T(0);
  a.cancelled = 0;
  const auto run = kernels_.rules[plan_->rule.index].catch_up[decays()];
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

// Whatever the state is, it is that of now.
template <class T>
void LearnerOf<T>::all_current() {
  for (size_t l = 0; l < waiting_.size(); ++l)
    if (plan_->waits(l)) std::fill_n(waiting_[l].current, plan_->dense[l].inputs, updates());
}

// After an update, the count of which still stands at what it was before: the visited rows have had it. A few of the
// others are looked after in turn, so that none waits for long.
template <class T>
void LearnerOf<T>::lazy_rows_updated() {
  const uint64_t made = updates() + 1;
  for (size_t l = 0; l < waiting_.size(); ++l) {
    if (!calls_[l].lazy) continue;
    Waiting& waiting = waiting_[l];
    const Scratch& in = scratch_[l];
    for (int i = 0; i < in.count; ++i) waiting.current[in.active[i]] = made;
    const int rows = plan_->dense[l].inputs, turn = (rows + kLongest - 1) / kLongest;
    const int count = std::min(turn, rows - waiting.next);
    wake((int)l, nullptr, waiting.next, count, made);
    waiting.next = waiting.next + count < rows ? waiting.next + count : 0;
  }
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
