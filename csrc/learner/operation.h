// What happens to the units between two dense layers: operations, one after the other.
//
// An operation keeps what its last `forward` computed. Vectors are padded with zeros to whole vectors of lanes.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "kernels/kernels.h"
#include "learner/plan.h"
#include "learner/state.h"

namespace streamdl {

struct Pass {
  bool train;
  uint64_t step;
  std::array<uint32_t, 2> key;  // of the learner's seed
  uint32_t place;               // of the operation, for its draws
};

template <class T>
class Operation {
 public:
  // The gradients of one array of parameters, row after row.
  struct Gradients {
    T *gradient = nullptr, *sensitivity = nullptr;
    size_t count = 0;
    T *unit_sums = nullptr, *unit_factors = nullptr;  // of rules that add up over a unit's weights
  };

  Operation(const UnitOp& op, const Kernels<T>& kernels, const Block& state);
  virtual ~Operation() = default;

  // False where a number is not finite.
  virtual bool forward(const T* in, T* out, const Pass& pass) = 0;
  // Takes delta (and sensitivity, where there is one) from the last outputs back to the inputs, in place, and computes
  // the gradients of the own parameters (and their sensitivities). Unless it `learns`, these are plain derivatives.
  virtual void back(const T* in, const T* out, T* delta, T* sensitivity, bool learns) = 0;
  // The update is done: what follows the stream takes the example in.
  virtual void learned(const T*) {}
  // An upper bound of |delta| at the last inputs, for one at the outputs. Adds to `most` what an update must leave
  // finite: bounds of the own parameters and of their gradients.
  virtual double stretch(double delta, double* most) const = 0;
  // Whether the bound is the same for every example.
  virtual bool constant() const { return false; }

  const UnitOp& plan() const { return op_; }
  std::vector<Gradients>& gradients() { return gradients_; }
  T* parameters(const Parameters& p, int row) const { return state_.at<T>(p.offset) + row * p.row_stride; }
  T* correction(int clock) const { return correction_[clock]; }  // 1 / (1 - beta^t) of its units
  void share_corrections(T* const* of_units);
  // Sensitivities += curvature * gradient^2: one output's part of the exact ones.
  void add_squares(T curvature);
  void clear_sensitivities();
  // Sensitivities = |gradient|.
  void keep_slopes();
  T largest(const Parameters& p) const;

 protected:
  const UnitOp& op_;
  const Kernels<T>& kernels_;
  const Block& state_;
  Memory memory_;
  std::vector<Gradients> gradients_;
  T* correction_[kMaxClocks] = {};
};

template <class T>
std::unique_ptr<Operation<T>> make_operation(const UnitOp& op, const Kernels<T>& kernels, const Block& state);
template <class T>
std::unique_ptr<Operation<T>> make_norm(const UnitOp& op, const Kernels<T>& kernels, const Block& state);
template <class T>
std::unique_ptr<Operation<T>> make_feature(const UnitOp& op, const Kernels<T>& kernels, const Block& state);
template <class T>
std::unique_ptr<Operation<T>> make_image_operation(const UnitOp& op, const Kernels<T>& kernels, const Block& state);

}  // namespace streamdl
