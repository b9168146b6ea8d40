// step(), end() and predict() of every linear temporal-difference learner, by itself and above a network, allocate
// nothing, rejected observations and inputs of both kinds included. A planted allocation shows that the counters count.
//
//   test_linear_td_allocation [STEPS of each learner, 20000]
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <vector>

#include "agents/last_layer.h"
#include "allocations.h"
#include "check.h"

namespace streamdl {
namespace {

// Of the rule, in the order of its table.
std::vector<TDSpec> specs() {
  return {{"TD", {0.02, 0.9, 0.8, 0}},
          {"TrueOnlineTD", {0.02, 0.9, 0.8, 0.01}},
          {"TIDBD", {0.01, 0.02, 0.9, 0.8, 0}},
          {"TIDBD", {0.01, 0.02, 0.9, 0.8, 0.01}, true},
          {"AutoTIDBD", {0.9, 0.02, 0.9, 0.8, 10, 0}, true},
          {"SwiftTD", {0.3, 0.001, 0.9, 0.8, 0.05, 0.9, 1e-3, 0}},
          {"SwiftTD", {0.01, 1.0, 0.9, 0.8, 0.5, 0.9, 1e-3, 0.01}}};
}

// Of a learner whose observations are n numbers.
template <class T, class P>
long long walk(P& learner, int n, double* step_size, long long steps, bool planted, long long* rejected) {
  constexpr int kExamples = 64;
  std::vector<T> xs(n * kExamples), bad(n);
  uint32_t state = 12345;
  const auto next = [&] { return (T)((state = state * 1664525u + 1013904223u) >> 8) / (T)(1 << 23) - T(1); };
  for (T& x : xs) x = next(), x = x < T(0.8) ? T(0) : x;
  const int64_t wide[3] = {n - 1, 0, n / 2}, twice[3] = {1, 2, 1};
  const int32_t narrow[3] = {0, n / 2, n - 1};
  const T values[3] = {T(0.5), T(0), T(-1)};
  T v;
  const long long before = calls;
  for (long long i = 0; i < steps; ++i) {
    const Input<T> x{xs.data() + i % kExamples * n};
    bad[i % n] = i % 2 ? std::numeric_limits<T>::quiet_NaN() : std::numeric_limits<T>::max();
    if (i % 16 == 7) *rejected += learner.step({bad.data()}, T(1e30), &v) != TDStatus::ok;
    bad[i % n] = T(0);
    if (i % 16 == 5) *rejected += learner.step({values, twice, true, 3}, T(0), &v) != TDStatus::ok;
    if (i % 8 == 3) learner.step({values, wide, true, 3}, T(0.1), &v);
    else if (i % 8 == 4) learner.step({values, narrow, false, 3}, T(0.1), &v);
    else learner.step(x, T(0.1) * (T)(i % 5), &v);
    if (i % 100 == 50) learner.end(T(1));
    if (i % 100 == 60) *step_size *= 0.99, learner.hyper_changed();
    learner.predict(x, &v);
    if (planted && i == steps / 2) {
      void* volatile p = operator new(24);  // volatile: the compiler may not leave it out
      operator delete(p);
    }
  }
  return calls - before;
}

// A head of 16 features above two layers, that learn.
template <class T>
LastLayerOf<T> above_a_network(TDSpec head) {
  Spec spec;
  LayerSpec first{LayerSpec::Kind::linear}, active{LayerSpec::Kind::activation}, last = first;
  first.outputs = 33;
  last.outputs = head.features = 16;
  spec.inputs = {20};
  spec.layers = {first, active, last};
  spec.optimizer = {"IDBD", {0.01, 0.01, 0, 0}, {}};
  spec.twice = head.twice = sizeof(T) == 8;
  return LastLayerOf<T>(Learner::build(std::make_shared<const Plan>(spec)),
                        LinearTD::build(std::make_shared<const TDPlan>(head)), true);
}

template <class T>
void check_all(long long steps) {
  long long rejected = 0;
  for (const int features : {3, 16, 2000})
    for (TDSpec spec : specs()) {
      spec.features = features;
      spec.twice = sizeof(T) == 8;
      LinearTDOf<T> learner(std::make_shared<const TDPlan>(spec));
      CHECK_EQUAL(walk<T>(learner, features, learner.hyper(), steps, false, &rejected), 0);
      CHECK(learner.steps() >= (uint64_t)steps / 2);
    }
  for (const TDSpec& spec : specs()) {
    LastLayerOf<T> layer = above_a_network<T>(spec);
    CHECK_EQUAL(walk<T>(layer, 20, layer.head().hyper(), steps, false, &rejected), 0);
    CHECK(layer.body().steps() >= (uint64_t)steps / 2);
  }
  CHECK(rejected > steps);
  TDSpec spec = specs()[0];
  spec.features = 16;
  spec.twice = sizeof(T) == 8;
  LinearTDOf<T> learner(std::make_shared<const TDPlan>(spec));
  CHECK_EQUAL(walk<T>(learner, 16, learner.hyper(), steps, true, &rejected), 2);
  std::printf("%s: %lld rejected observations\n", sizeof(T) == 4 ? "float32" : "float64", rejected);
}

}  // namespace
}  // namespace streamdl

int main(int argc, char** argv) {
  const long long steps = argc > 1 ? std::atoll(argv[1]) : 20'000;
  streamdl::check_all<float>(steps);
  streamdl::check_all<double>(steps);
  return check_result();
}
