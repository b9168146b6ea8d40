// The learner as Python holds it: its plan checked against a checkpoint, one caller at a time.
#pragma once

#include <memory>

#include "bindings/held.h"
#include "learner/learner.h"

namespace streamdl {

struct PyLearner : Held {
  std::shared_ptr<Learner> learner;  // what is held
  int inputs, outputs;
  bool twice, classes, small;
  size_t few;  // a step with so many active inputs is as quick as that of a small learner

  // Throws ValueError where the spec, or the checkpoint beside it, is not one of a learner.
  PyLearner(const nb::dict& spec, const Checkpoint* checkpoint);

  template <class T>
  LearnerOf<T>& as() {
    return static_cast<LearnerOf<T>&>(*learner);
  }

 private:
  void check_loaded(const Plan& plan) const;
};

}  // namespace streamdl
