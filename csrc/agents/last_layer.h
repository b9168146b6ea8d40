// A linear temporal-difference learner, the head, above a network whose outputs are its features, the body.
//
// phi' = body(x');  v = w.phi'. When the head knows the TD error delta and has not written anything, the body learns
// about x, the observation before, from the gradient of -delta v there: -delta w_k at its output k, with the weights w
// from before the head's update. So either both learn or none: the head refuses before it asks, and refuses where the
// body does.
#pragma once

#include <memory>
#include <vector>

#include "agents/linear_td.h"
#include "learner/learner.h"

namespace streamdl {

class LastLayer : public Stateful {
 public:
  // Both of one number type, the body with as many outputs as the head has features; `learns`: the body, too.
  static std::unique_ptr<LastLayer> build(std::shared_ptr<Learner> body, std::shared_ptr<LinearTD> head, bool learns);

  // Its own state is the observation before, where the body needs it.
  const std::vector<FieldEntry>& entries() const final { return entries_; }
  const std::vector<Named>& hyper_names() const final { return none_; }
  double* hyper() const final { return nullptr; }
  std::string check_hyper(size_t, double) const final { return {}; }
  void state_touched() final {}
  void settle() final {}
  void hyper_changed() final {}
  void state_loaded() final {}

  const Learner& body() const { return *body_; }
  const LinearTD& head() const { return *head_; }
  // The place in the input of the number or index that was refused last.
  size_t bad() const { return bad_; }

 protected:
  LastLayer(std::shared_ptr<Learner> body, std::shared_ptr<LinearTD> head, bool learns);

  std::shared_ptr<Learner> body_;
  std::shared_ptr<LinearTD> head_;
  std::vector<FieldEntry> entries_;
  std::vector<Named> none_;
  int inputs_, features_;
  bool learns_;
  size_t bad_ = 0;
};

template <class T>
class LastLayerOf final : public LastLayer {
 public:
  LastLayerOf(std::shared_ptr<Learner> body, std::shared_ptr<LinearTD> head, bool learns);

  // As LinearTDOf. No allocation, lock or exception; a system call only where the body has threads.
  TDStatus step(const Input<T>& x, T reward, T* prediction);
  TDStatus step_within(const Input<T>& x, T reward, T* prediction);
  TDStatus end(T reward);
  TDStatus predict(const Input<T>& x, T* prediction);

 private:
  LearnerOf<T>& network() const { return static_cast<LearnerOf<T>&>(*body_); }
  LinearTDOf<T>& linear() const { return static_cast<LinearTDOf<T>&>(*head_); }
  TDStatus see(const Input<T>& x);
  void keep(const Input<T>& x);
  bool descend(T error);
  static bool learn_below(void* self, T error) { return static_cast<LastLayerOf*>(self)->descend(error); }

  Memory memory_;
  T *phi_, *gradient_, *curvature_;  // (features)
};

}  // namespace streamdl
