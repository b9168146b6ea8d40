// Gauges of a learner as Python reads them.
#pragma once

#include "bindings/py_learner.h"

namespace streamdl {

// The methods from which streamdl.gauges makes its readings.
void define_gauges(nb::class_<PyLearner>& learner);

}  // namespace streamdl
