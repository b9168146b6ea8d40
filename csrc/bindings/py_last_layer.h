// A last layer as Python holds it, together with the body and the head, which stay objects of their own.
#pragma once

#include "agents/last_layer.h"
#include "bindings/py_learner.h"
#include "bindings/py_td.h"

namespace streamdl {

struct PyLastLayer : Held {
  std::shared_ptr<LastLayer> layer;  // what is held
  int features;                      // of an observation
  bool twice, small;

  // Throws ValueError where body and head do not fit together, or the checkpoint beside them is not theirs. They must
  // outlive it.
  PyLastLayer(PyLearner& body, PyTD& head, bool learns, const Checkpoint* checkpoint);

  template <class T>
  LastLayerOf<T>& as() {
    return static_cast<LastLayerOf<T>&>(*layer);
  }
};

// The class into the module.
void define_last_layer(nb::module_& m);

}  // namespace streamdl
