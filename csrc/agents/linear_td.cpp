#include "agents/linear_td.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/dispatch.h"
#include "learner/threads.h"

namespace streamdl {

std::unique_ptr<LinearTD> LinearTD::build(std::shared_ptr<const TDPlan> plan) {
  if (plan->spec.twice) return std::make_unique<LinearTDOf<double>>(std::move(plan));
  return std::make_unique<LinearTDOf<float>>(std::move(plan));
}

template <class T>
template <class U>
U* LinearTDOf<T>::allocate(size_t count) {
  memory_.push_back(std::make_unique<Block>(count * sizeof(U) + kAlignment));
  return memory_.back()->template at<U>(0);
}

template <class T>
LinearTDOf<T>::LinearTDOf(std::shared_ptr<const TDPlan> plan)
    : LinearTD(std::move(plan)),
      kernels_(*kernels_of<T>(chosen_instruction_set()).td),
      rule_(kernels_.rules[plan_->rule]) {
  const TDPlan& p = *plan_;
  auto set = [&] {
    const int words = BlockSet::words_of(p.blocks);
    return BlockSet{allocate<uint64_t>(words), allocate<uint64_t>(BlockSet::words_of(words)), p.blocks};
  };
  TDArgs<T>& a = args_;
  a.weights = block_->at<T>(p.weights);
  a.columns = p.columns;
  a.features = p.spec.features;
  a.input = p.looks_back ? block_->at<T>(p.input) : nullptr;
  a.next = allocate<T>(p.columns);
  a.left = {allocate<int32_t>(p.blocks), 0, set()};
  a.arrived = {allocate<int32_t>(p.blocks), 0, set()};
  a.eligible = set();
  a.saved = allocate<T>(p.columns);
  a.forgot = allocate<uint64_t>(p.blocks);
  a.hyper = hyper();
  a.scalars = block_->at<T>(p.scalars);
  a.ordinary = p.spec.ordinary;
  seen_ = allocate<uint16_t>(p.blocks);

  std::copy(p.spec.hyper.begin(), p.spec.hyper.end(), hyper());
  for (int k = 0; k < p.scalar_count; ++k) a.scalars[k] = (T)p.scalar_table[k].start;
  for (int f = 0; f < p.field_count; ++f)
    if (p.fields[f].start >= 0) {
      T* const field = a.weights + (f + 1) * a.columns;
      std::fill(field, field + a.columns, (T)hyper()[p.fields[f].start]);
    }
}

//---------------------------------------------------------------------------- inputs

template <class T>
template <class I>
TDStatus LinearTDOf<T>::scatter(const I* indices, const T* values, size_t count) {
  constexpr size_t width = kLanes<T>;
  TDStatus status = TDStatus::ok;
  size_t i = 0;
  for (; i < count; ++i) {
    const uint64_t at = (uint64_t)indices[i];  // what was negative is large
    const T x = values[i];
    if (at >= (uint64_t)args_.features) status = TDStatus::index_out_of_range;
    else if (!(std::abs(x) <= std::numeric_limits<T>::max())) status = TDStatus::input_not_finite;
    else if (seen_[at / width] >> (at % width) & 1) status = TDStatus::index_twice;
    if (status != TDStatus::ok) break;
    seen_[at / width] |= (uint16_t)(1u << (at % width));
    if (x == 0) continue;
    args_.next[at] = x;
    args_.arrived.set.insert((int)(at / width));
  }
  bad_ = i;
  while (i-- > 0) seen_[(uint64_t)indices[i] / width] = 0;
  args_.arrived.count = args_.arrived.set.list(args_.arrived.blocks);
  return status;
}

template <class T>
TDStatus LinearTDOf<T>::load(const Input<T>& x) {
  TDStatus status = TDStatus::ok;
  if (!x.indices) {
    if (!kernels_.take(args_, x.values)) status = TDStatus::input_not_finite;
    for (bad_ = 0; status != TDStatus::ok && std::abs(x.values[bad_]) <= std::numeric_limits<T>::max();) ++bad_;
  } else if (x.wide) {
    status = scatter(static_cast<const int64_t*>(x.indices), x.values, x.count);
  } else {
    status = scatter(static_cast<const int32_t*>(x.indices), x.values, x.count);
  }
  if (status != TDStatus::ok) kernels_.release(args_);
  return status;
}

//---------------------------------------------------------------------------- stepping

template <class T>
TDStatus LinearTDOf<T>::step(const Input<T>& x, T reward, T* prediction) {
  const FloatingPoint environment;
  return step_within(x, reward, prediction);
}

template <class T>
TDStatus LinearTDOf<T>::step_within(const Input<T>& x, T reward, T* prediction) {
  if (touched_) refresh();
  const TDStatus status = load(x);
  if (status != TDStatus::ok) return status;
  args_.reward = reward;
  args_.started = started();
  const bool finite = std::abs(reward) <= std::numeric_limits<T>::max();
  if (!finite || !rule_.step(args_)) {
    kernels_.release(args_);
    return finite ? TDStatus::overflow : TDStatus::reward_not_finite;
  }
  cancelled_ = args_.cancelled;
  started() = 1;
  ++*block_->at<uint64_t>(plan_->steps);
  *prediction = args_.prediction;
  return TDStatus::ok;
}

template <class T>
TDStatus LinearTDOf<T>::step_above(const Input<T>& x, T reward, T* prediction, bool (*below)(void*, T), void* whom) {
  args_.below = below;
  args_.whom = whom;
  const TDStatus status = step_within(x, reward, prediction);
  args_.below = nullptr;
  return status;
}

template <class T>
TDStatus LinearTDOf<T>::end_above(T reward, bool (*below)(void*, T), void* whom) {
  args_.below = below;
  args_.whom = whom;
  const TDStatus status = end(reward);
  args_.below = nullptr;
  return status;
}

template <class T>
TDStatus LinearTDOf<T>::end(T reward) {
  const FloatingPoint environment;
  if (touched_) refresh();
  if (!started()) return TDStatus::not_started;
  if (!(std::abs(reward) <= std::numeric_limits<T>::max())) return TDStatus::reward_not_finite;
  args_.reward = reward;
  args_.started = true;
  if (!rule_.end(args_)) return TDStatus::overflow;
  cancelled_ = args_.cancelled;
  started() = 0;
  return TDStatus::ok;
}

template <class T>
TDStatus LinearTDOf<T>::predict(const Input<T>& x, T* prediction) {
  const FloatingPoint environment;
  const TDStatus status = load(x);
  if (status != TDStatus::ok) return status;
  const T v = kernels_.predict(args_);
  kernels_.release(args_);
  if (!(std::abs(v) <= std::numeric_limits<T>::max())) return TDStatus::overflow;
  *prediction = v;
  return TDStatus::ok;
}

//---------------------------------------------------------------------------- looks and writes from outside

template <class T>
void LinearTDOf<T>::state_touched() {
  settle();
  touched_ = true;
}

template <class T>
void LinearTDOf<T>::settle() {
  const FloatingPoint environment;
  rule_.settle(args_);
}

template <class T>
void LinearTDOf<T>::hyper_changed() {
  if (plan_->bounds_step_sizes) state_touched();
}

template <class T>
void LinearTDOf<T>::state_loaded() {
  std::memset(args_.forgot, 0, sizeof(uint64_t) * plan_->blocks);
  args_.forgets = 0;
  touched_ = true;
}

// Which blocks are eligible follows from the state.
template <class T>
void LinearTDOf<T>::refresh() {
  touched_ = false;
  rule_.survey(args_);
}

template class LinearTDOf<float>;
template class LinearTDOf<double>;

}  // namespace streamdl
