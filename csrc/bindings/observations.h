// The calls of whoever learns to predict from observations, each with the reward that arrived with it: arguments in,
// the GIL released where a call takes long, refusals in words.
//
// A class P of them has `features`, how many numbers an observation has; `small`, where a step is not worth releasing
// the GIL; `twice`; and as<T>() with step, step_within, end, predict and bad, as those of LinearTDOf.
#pragma once

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <chrono>
#include <cmath>
#include <string>

#include "agents/linear_td.h"
#include "bindings/inputs.h"
#include "learner/threads.h"

namespace streamdl {

//---------------------------------------------------------------------------- what was wrong

[[noreturn]] inline void refuse(const std::string& text) { throw nb::value_error(text.c_str()); }

// One input as it was given: `where` is "" or "s[i]", the example of a block.
template <class T>
[[noreturn]] void reject(size_t bad, int features, TDStatus status, const Input<T>& x, T reward,
                         const std::string& where) {
  const std::string name = "x" + where, at = "[" + std::to_string(bad) + "]";
  switch (status) {
    case TDStatus::input_not_finite:
      refuse(name + (x.indices ? "[1] (values)" : "") + at + ": expected a finite number, got " +
             std::to_string(x.values[bad]));
    case TDStatus::index_out_of_range:
      refuse(name + "[0] (indices): expected 0 to " + std::to_string(features - 1) + ", got " + index_at(x, bad));
    case TDStatus::index_twice:
      refuse(name + "[0] (indices): expected every index once, got " + index_at(x, bad) + " twice");
    case TDStatus::reward_not_finite:
      refuse("reward" + where + ": expected a finite number, got " + std::to_string(reward));
    case TDStatus::not_started: refuse("end: expected a step of the episode before its end, got none");
    default:
      refuse(name +
             ": expected an observation whose prediction and update are finite, got an overflow; nothing was learned");
  }
}

//---------------------------------------------------------------------------- arguments

template <class T>
T reward_from(nb::handle o) {
  if (PyFloat_CheckExact(o.ptr())) {
    const double value = PyFloat_AS_DOUBLE(o.ptr());
    const T reward = (T)value;
    if (std::isinf(reward) && !std::isinf(value))
      refuse("reward: expected a number that float32 can hold, got " + std::string(nb::repr(o).c_str()));
    return reward;
  }
  Vector<T> reward;
  reward.read(o, 1, "reward");
  return reward.data[0];
}

//---------------------------------------------------------------------------- calls

template <class T, class P>
double step_as(P& p, nb::handle o, nb::handle reward_in) {
  Hold hold(p);
  AnyInput<T> given;
  const Input<T> x = given.read(o, p.features);
  const T reward = reward_from<T>(reward_in);
  T prediction{};
  TDStatus status;
  if (p.small) {
    status = p.template as<T>().step(x, reward, &prediction);
  } else {
    nb::gil_scoped_release release;
    status = p.template as<T>().step(x, reward, &prediction);
  }
  if (status != TDStatus::ok) reject<T>(p.template as<T>().bad(), p.features, status, x, reward, "");
  return (double)prediction;
}

template <class T, class P>
nb::object step_many_as(P& p, nb::handle xs_in, nb::handle rewards_in) {
  Hold hold(p);
  ManyInputs<T> xs;
  Vector<T> rewards;
  const size_t n = xs.read(xs_in, p.features, "xs"), m = rewards.read_many(rewards_in, 1, "rewards");
  if (m != n) refuse("rewards: expected as many as xs (" + std::to_string(n) + "), got " + std::to_string(m));
  T* predictions;
  nb::object result = array_of<T>({n}, &predictions);
  size_t i = 0;
  TDStatus status = TDStatus::ok;
  Input<T> x{};
  while (i < n && status == TDStatus::ok) {
    {
      nb::gil_scoped_release release;
      const FloatingPoint environment;
      const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
      const size_t often = p.small ? 64 : 1;
      for (; i < n; ++i) {
        x = xs[i];
        status = p.template as<T>().step_within(x, rewards.data[i], predictions + i);
        if (status != TDStatus::ok) break;
        if (i % often == 0 && std::chrono::steady_clock::now() > end) {
          ++i;
          break;
        }
      }
    }
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
  }
  if (status != TDStatus::ok)
    reject<T>(p.template as<T>().bad(), p.features, status, x, rewards.data[i], "s[" + std::to_string(i) + "]");
  return result;
}

template <class T, class P>
void end_as(P& p, nb::handle reward_in) {
  Hold hold(p);
  const T reward = reward_from<T>(reward_in);
  const TDStatus status = p.template as<T>().end(reward);
  if (status != TDStatus::ok) reject<T>(p.template as<T>().bad(), p.features, status, {}, reward, "");
}

template <class T, class P>
double predict_as(P& p, nb::handle o) {
  Hold hold(p);
  AnyInput<T> given;
  const Input<T> x = given.read(o, p.features);
  T prediction{};
  const TDStatus status = p.template as<T>().predict(x, &prediction);
  if (status != TDStatus::ok) reject<T>(p.template as<T>().bad(), p.features, status, x, T(0), "");
  return (double)prediction;
}

template <class T, class P>
nb::object predict_many_as(P& p, nb::handle xs_in) {
  Hold hold(p);
  ManyInputs<T> xs;
  const size_t n = xs.read(xs_in, p.features, "xs");
  T* predictions;
  nb::object result = array_of<T>({n}, &predictions);
  size_t i = 0;
  TDStatus status = TDStatus::ok;
  Input<T> x{};
  {
    nb::gil_scoped_release release;
    for (; i < n; ++i) {
      x = xs[i];
      status = p.template as<T>().predict(x, predictions + i);
      if (status != TDStatus::ok) break;
    }
  }
  if (status != TDStatus::ok)
    reject<T>(p.template as<T>().bad(), p.features, status, x, T(0), "s[" + std::to_string(i) + "]");
  return result;
}

template <class P>
void define_observations(nb::class_<P>& c) {
  using namespace nb::literals;
  c.def(
       "step",
       [](P& p, nb::handle x, nb::handle reward) {
         return p.twice ? step_as<double>(p, x, reward) : step_as<float>(p, x, reward);
       },
       "x"_a.none(), "reward"_a.none(),
       "Learn from the reward that arrived with x; returns the prediction for x before the update.")
      .def(
          "step_many",
          [](P& p, nb::handle xs, nb::handle rewards) {
            return p.twice ? step_many_as<double>(p, xs, rewards) : step_many_as<float>(p, xs, rewards);
          },
          "xs"_a.none(), "rewards"_a.none(), "The same for n observations in order; returns (n,) predictions.",
          nb::sig("def step_many(self, xs: object, rewards: object) -> numpy.typing.NDArray[typing.Any]"))
      .def(
          "end", [](P& p, nb::handle reward) { p.twice ? end_as<double>(p, reward) : end_as<float>(p, reward); },
          "reward"_a.none(), "Learn from an episode's last reward, with nothing to follow, and clear the traces.")
      .def(
          "predict", [](P& p, nb::handle x) { return p.twice ? predict_as<double>(p, x) : predict_as<float>(p, x); },
          "x"_a.none(), "The prediction for x; no learning.")
      .def(
          "predict_many",
          [](P& p, nb::handle xs) { return p.twice ? predict_many_as<double>(p, xs) : predict_many_as<float>(p, xs); },
          "xs"_a.none(), "The predictions for n inputs, (n,).",
          nb::sig("def predict_many(self, xs: object) -> numpy.typing.NDArray[typing.Any]"));
}

}  // namespace streamdl
