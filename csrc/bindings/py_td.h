// Linear temporal-difference learners as Python holds them, and their calls.
#pragma once

#include <memory>

#include "agents/linear_td.h"
#include "bindings/held.h"

namespace streamdl {

struct PyTD : Held {
  std::shared_ptr<LinearTD> td;  // what is held
  int features;
  bool twice, small;

  // Throws ValueError where the spec, or the checkpoint beside it, is not one of a linear TD learner.
  PyTD(const nb::dict& spec, const Checkpoint* checkpoint);

  template <class T>
  LinearTDOf<T>& as() {
    return static_cast<LinearTDOf<T>&>(*td);
  }
};

// The class, and the table of the rules, into the module.
void define_td(nb::module_& m);

}  // namespace streamdl
