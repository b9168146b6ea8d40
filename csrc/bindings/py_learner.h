// The learner as Python holds it: its plan checked against a checkpoint, one caller at a time.
#pragma once

#include <nanobind/nanobind.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <vector>

#include "learner/learner.h"
#include "learner/safetensors.h"

namespace streamdl {

namespace nb = nanobind;

// Becomes streamdl.BusyError.
struct Busy : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A file or bytes, parsed and checked; arrays point into `bytes`.
struct Checkpoint {
  std::vector<uint8_t> bytes;
  container::Container parsed;

  explicit Checkpoint(std::vector<uint8_t> b) : bytes(std::move(b)) {
    container::Error error;
    if (container::parse(bytes.data(), bytes.size(), parsed, error) != container::Status::ok)
      throw nb::value_error(error.message);
  }
};

container::DType dtype_of(Type t);
std::vector<uint64_t> shape_of(const FieldEntry& e);

struct PyLearner {
  std::shared_ptr<Learner> learner;
  std::shared_ptr<std::atomic<int>> views = std::make_shared<std::atomic<int>>(0);
  int inputs, outputs;
  bool twice, classes, small;

  // Throws ValueError where the spec, or the checkpoint beside it, is not one of a learner.
  PyLearner(const nb::dict& spec, const Checkpoint* checkpoint);

  template <class F>
  void copy_rows(const FieldEntry& e, F f) {
    e.each_piece([&](size_t at, size_t in_order, size_t bytes) { f(learner->block()->data() + at, in_order, bytes); });
  }

  template <class T>
  LearnerOf<T>& as() {
    return static_cast<LearnerOf<T>&>(*learner);
  }

 private:
  void check_loaded(const Plan& plan) const;
};

// Holds the learner for one call; a second caller gets BusyError.
struct Hold {
  PyLearner& p;
  explicit Hold(PyLearner& learner) : p(learner) {
    if (!p.learner->enter()) throw Busy("this learner is in use by another thread");
  }
  ~Hold() {
    if (p.views->load()) p.learner->state_touched();  // whoever holds a view may write before the next step
    p.learner->leave();
  }
};

}  // namespace streamdl
