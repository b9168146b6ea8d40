// Calls of one learner: arrays in, the GIL released where a call takes long, arrays out.
#pragma once

#include "bindings/py_learner.h"

namespace streamdl {

double step(PyLearner& p, nb::handle x, nb::handle y);
nb::object step_many(PyLearner& p, nb::handle xs, nb::handle ys, bool want_outputs);
double step_minibatch(PyLearner& p, nb::handle xs, nb::handle ys);
nb::object predict(PyLearner& p, nb::handle x);
// Predictions of n inputs; with `hidden`, the activations of the hidden layers instead.
nb::object predict_many(PyLearner& p, nb::handle xs, bool hidden);

// Gives a class derived from Learner a step that skips what a general call costs, where it can.
void quicken(nb::handle type);

}  // namespace streamdl
