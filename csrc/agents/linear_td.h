// Linear temporal-difference learners: predict the discounted sum of future rewards, one observation at a time.
#pragma once

#include <memory>
#include <vector>

#include "agents/td_plan.h"
#include "learner/input.h"
#include "learner/stateful.h"

namespace streamdl {

// Why an observation was not learned from. Nothing of the learner has changed then.
enum class TDStatus {
  ok,
  input_not_finite,
  index_out_of_range,
  index_twice,
  reward_not_finite,
  not_started,  // the end of an episode that no step began
  overflow,     // a prediction, the error or a sum would not be finite
};

class LinearTD : public Stateful {
 public:
  static std::unique_ptr<LinearTD> build(std::shared_ptr<const TDPlan> plan);

  const TDPlan& plan() const { return *plan_; }
  const std::vector<FieldEntry>& entries() const final { return plan_->entries; }
  const std::vector<Named>& hyper_names() const final { return plan_->hyper_names; }
  double* hyper() const final { return block_->at<double>(plan_->hyper); }
  std::string check_hyper(size_t index, double value) const final {
    return wrong_value(plan_->hyper_names[index], value, plan_->spec.twice);
  }
  uint64_t steps() const { return *block_->at<uint64_t>(plan_->steps); }
  bool within_episode() const { return *block_->at<uint64_t>(plan_->started) != 0; }
  // The place in the input of the number or index that was refused last.
  size_t bad() const { return bad_; }

 protected:
  explicit LinearTD(std::shared_ptr<const TDPlan> plan) : Stateful(plan->bytes), plan_(std::move(plan)) {}
  std::shared_ptr<const TDPlan> plan_;
  size_t bad_ = 0;
};

template <class T>
class LinearTDOf : public LinearTD {
 public:
  explicit LinearTDOf(std::shared_ptr<const TDPlan> plan);

  // The reward arrived with x. Returns the prediction for x before the update. No allocation, lock, system call or
  // exception.
  TDStatus step(const Input<T>& x, T reward, T* prediction);
  // The same for a caller who holds a FloatingPoint.
  TDStatus step_within(const Input<T>& x, T reward, T* prediction);
  // Learns from the last reward of an episode, without a prediction for what follows.
  TDStatus end(T reward);
  TDStatus predict(const Input<T>& x, T* prediction);
  // As `step_within` and `end`, asking `below` before anything is written; see TDArgs.
  TDStatus step_above(const Input<T>& x, T reward, T* prediction, bool (*below)(void*, T), void* whom);
  TDStatus end_above(T reward, bool (*below)(void*, T), void* whom);
  const T* weights() const { return args_.weights; }

  void state_touched() override;
  void settle() override;
  void hyper_changed() override;
  void state_loaded() override;

 private:
  uint64_t& started() const { return *block_->at<uint64_t>(plan_->started); }
  template <class I> TDStatus scatter(const I* indices, const T* values, size_t count);
  TDStatus load(const Input<T>& x);
  void refresh();
  template <class U> U* allocate(size_t count);

  const TDKernels<T>& kernels_;
  const TDRuleKernels<T>& rule_;
  std::vector<std::unique_ptr<Block>> memory_;
  TDArgs<T> args_{};
  uint16_t* seen_;  // (blocks) the lanes that an input has named; 0 between calls
  bool touched_ = true;
};

}  // namespace streamdl
