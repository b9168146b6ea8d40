// step() of every learner, with gauges or without, allocates nothing: counters stand before malloc, free, new and their
// kin, over regenerations and rejected examples too. A planted allocation shows that they count.
//
//   test_allocation [STEPS of each learner, 20000]
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "allocations.h"
#include "check.h"
#include "kernels/dispatch.h"
#include "learner/learner.h"
#include "rules/optimizers/list.h"

namespace streamdl {
namespace {

//---------------------------------------------------------------------------- the learners

LayerSpec linear(int outputs) {
  LayerSpec l{LayerSpec::Kind::linear};
  l.outputs = outputs;
  return l;
}
LayerSpec sparse(int outputs, int edges, int block) {
  LayerSpec l{LayerSpec::Kind::sparse_linear};
  l.outputs = outputs, l.edges = edges, l.block = block;
  return l;
}
LayerSpec activation(Activation which) {
  LayerSpec l{LayerSpec::Kind::activation};
  l.activation = which;
  return l;
}
LayerSpec norm(bool affine) {
  LayerSpec l{LayerSpec::Kind::layer_norm};
  l.affine = affine;
  return l;
}
LayerSpec dropout(double rate) {
  LayerSpec l{LayerSpec::Kind::dropout};
  l.rate = rate;
  return l;
}

LayerSpec windows(LayerSpec::Kind kind, int kernel, int stride, int channels = 0) {
  LayerSpec l{kind};
  l.kernel = kernel, l.stride = stride, l.outputs = channels;
  return l;
}

constexpr int kInputs = 20, kOutputs = 9;
constexpr double kMany = 0.01;  // replacement rate: some unit is regenerated every few steps

std::vector<std::vector<LayerSpec>> networks() {
  using Kind = LayerSpec::Kind;
  return {{linear(33), activation(Activation::relu), linear(17), activation(Activation::relu), linear(kOutputs)},
          {linear(24), norm(true), activation(Activation::relu), dropout(0.2), linear(17), norm(false),
           activation(Activation::tanh), linear(5)},
          {norm(true), linear(18), activation(Activation::gelu), linear(kOutputs)},
          {linear(170), activation(Activation::relu), dropout(0.95), linear(1)},
          {linear(1)},
          {sparse(33, 17, 1), activation(Activation::relu), sparse(48, 16, 16), norm(true),
           activation(Activation::tanh), linear(5)},
          {windows(Kind::conv2d, 2, 1, 3), activation(Activation::relu), windows(Kind::max_pool2d, 2, 2),
           windows(Kind::conv2d, 1, 1, 5), activation(Activation::tanh), windows(Kind::avg_pool2d, 1, 1),
           LayerSpec{Kind::flatten}, linear(5)}};
}
bool is_of_images(const std::vector<LayerSpec>& network) { return network[0].kind == LayerSpec::Kind::conv2d; }

// All combinations of one choice of each option.
template <class Rule>
std::vector<std::vector<std::string>> choices() {
  std::vector<std::vector<std::string>> all{{}};
  for (int i = 0; i < Rule::option_count; ++i) {
    std::vector<std::vector<std::string>> longer;
    std::istringstream words(Rule::options[i].choices);
    for (std::string word; words >> word;)
      for (auto chosen : all) {
        chosen.push_back(word);
        longer.push_back(chosen);
      }
    all = longer;
  }
  return all;
}

// The defaults of a rule's table, or one of them set to 0 or 0.5, and options that the rule serves.
template <class Rule>
OptimizerSpec optimizer() {
  constexpr int count = sizeof(Rule::hypers) / sizeof(Rule::hypers[0]);
  for (const auto& options : choices<Rule>())
    for (int i = -1; i < count; ++i)
      for (double value : {0.0, 0.5}) {
        OptimizerSpec o{Rule::description.name, {}, options};
        for (const auto& h : Rule::hypers) o.hyper.push_back(std::isnan(h.standard) ? 0.01 : h.standard);
        if (i >= 0) o.hyper[i] = value;
        int chosen[base::kMaxOptions] = {};
        for (int k = 0; k < Rule::option_count; ++k) {
          std::istringstream words(Rule::options[k].choices);
          for (std::string word; words >> word && word != options[k];) ++chosen[k];
        }
        if (!Rule::serves(o.hyper.data(), chosen)) continue;
        if (Rule::takes_decays) o.hyper.insert(o.hyper.end(), {0, Rule::decoupled_weight_decay});
        return o;
      }
  std::fprintf(stderr, "%s: no hyper-parameters found that it serves\n", Rule::description.name);
  std::abort();
}

// Every rule of the list, and some with decay or other sensitivities.
std::vector<OptimizerSpec> optimizers() {
  std::vector<OptimizerSpec> all{{"SGD", {0.03, 0, 0, 1e-3, 1e-3}, {}},
                                 {"SGD", {0.01, 0.8, 1, 1e-3, 0}, {}},
                                 {"IDBD", {0.02, 0.01, 0, 0}, {}, true}};
#define STREAMDL_ONE(Rule) all.push_back(optimizer<base::Rule>());
  STREAMDL_OPTIMIZERS(STREAMDL_ONE)
#undef STREAMDL_ONE
  return all;
}

std::vector<std::vector<PlasticitySpec>> plasticity() {
  std::vector<std::vector<PlasticitySpec>> all{{}};
  const PlasticitySpec shrink{"ShrinkAndPerturb", {1e-4, 1e-3, 1}, {"zero", "False"}},
      clipping{"WeightClipping", {1.0}, {}};
  for (const char* utility :
       {"contribution", "weight", "adaptation", "zero_contribution", "adaptable_contribution", "feature_by_input"}) {
    const double most = all.size() % 3 == 0 ? 1 : 0;
    all.push_back({{"ContinualBackprop", {kMany, 5, 0.99, most}, {utility, all.size() % 2 == 0 ? "True" : "False"}}});
  }
  all.push_back({shrink});
  all.push_back({shrink, all[3][0]});
  all.push_back({{"ReDo", {0.3, 7}, {}}, clipping});
  all.push_back({{"Imprinting", {0.1, 0.9, 0.99, 0.9, 0.5, 0.5, 5}, {"input"}}});
  for (const char* name : {"SET", "RigL"}) all.push_back({{name, {3, 0.3}, {}}});
  all.push_back({{"EdgeUtility", {3, 0.3, 0.9}, {}}});
  all.push_back({clipping, {"SelfNormalizedReset", {0.1, 5}, {}}, {"L2Init", {1e-3}, {}}});
  const PlasticitySpec follows{"HareAndTortoise", {7, 0.9}, {"slow"}}, projects{"NormalizeAndProject", {2}, {}};
  all.push_back({all[1][0], follows, {"ShrinkAndPerturb", {0.1, 1e-3, 7}, {"initial", "False"}}, projects});
  all.push_back({{"ShrinkAndPerturb", {1e-3, 1e-2, 3}, {"fresh", "False"}}});
  all.push_back({{"ContinuousContinualBackprop", {0.1, 5, 0.9, 2, 0.95}, {}}, clipping});
  for (const char* pruning : {"proportional", "threshold"})
    all.push_back({{"SelectiveWeightReinit", {0.01, 3, 0.5}, {"gradient", pruning, "draw"}}});
  return all;
}

//---------------------------------------------------------------------------- the check

template <class T>
struct Examples {
  static constexpr int count = 64;
  T x[count][kInputs], y[count][kOutputs];
  int32_t indices[3] = {2, 5, 19};
  int64_t wide[2] = {19, 3}, twice[2] = {4, 4};
  Examples() {
    uint32_t state = 12345;
    const auto next = [&] { return (T)((state = state * 1664525u + 1013904223u) >> 8) / (T)(1 << 23) - T(1); };
    for (auto& row : x)
      for (T& v : row) v = next(), v = v < T(0.2) ? T(0) : v;
    for (auto& row : y)
      for (T& v : row) v = next() > 0 ? T(1) : T(0);
  }
};

// Steps one learner; every 16th example is one that is rejected. Returns the calls that were seen.
template <class T>
long long step_many(LearnerOf<T>& learner, long long steps, bool planted, long long* rejected) {
  static const Examples<T> examples;
  static T bad[kInputs];
  double loss;
  const int outputs = learner.plan().boundaries.back().units;
  const long long before = calls;
  for (long long i = 0; i < steps; ++i) {
    const T* x = examples.x[i % Examples<T>::count];
    const Target<T> y{examples.y[(i * 7) % Examples<T>::count], i % outputs};
    if (i % 16 == 7) {
      for (T& v : bad) v = T(0);
      Target<T> wrong = y;
      if (i % 64 == 7) bad[i % kInputs] = std::numeric_limits<T>::quiet_NaN();
      if (i % 64 == 23) bad[i % kInputs] = -std::numeric_limits<T>::infinity();
      if (i % 64 == 39) wrong.label = outputs, wrong.values = nullptr;
      if (i % 64 == 55)
        for (T& v : bad) v = std::numeric_limits<T>::max();
      if (!wrong.values) wrong.values = y.values;
      *rejected += learner.step({bad}, wrong, &loss) != Status::ok;
    }
    if (i % 32 == 9) *rejected += learner.step({x, examples.twice, true, 2}, y, &loss) == Status::index_twice;
    if (i % 8 == 3) learner.step({x, examples.indices, false, 3}, y, &loss);
    else if (i % 8 == 4) learner.step({x, examples.wide, true, 2}, y, &loss);
    else if (i % 8 == 5) learner.step({x, examples.indices, false, 1}, y, &loss);
    else learner.step({x}, y, &loss);
    if (planted && i == steps / 2) {
      void* volatile p = operator new(24);  // volatile: the compiler may not leave it out
      operator delete(p);
    }
  }
  return calls - before;
}

bool follows_one_output(const std::string& name) {
#define STREAMDL_ONE(Rule) \
  if (name == base::Rule::description.name) return base::Rule::one_output || base::Rule::descends_output;
  STREAMDL_OPTIMIZERS(STREAMDL_ONE)
#undef STREAMDL_ONE
  return false;
}

template <class T>
void check_all(long long steps) {
  long long learners = 0, refused = 0, allocating = 0, regenerated = 0, rejected = 0;
  for (const auto& network : networks())
    for (const auto& optimizer : optimizers())
      for (const auto& methods : plasticity()) {
        Spec spec;
        spec.inputs = {kInputs};
        spec.layers = network;
        if (is_of_images(network)) spec.inputs = {1, 4, kInputs / 4};
        spec.loss = (Loss)(learners % 4);
        spec.optimizer = optimizer;
        spec.plasticity = methods;
        spec.seed = 7;
        spec.twice = sizeof(T) == 8;
        if (follows_one_output(optimizer.name)) {
          spec.loss = Loss::squared_error;
          spec.layers.back().outputs = 1;
        }
        for (const SilentRows rows : {SilentRows::visited, SilentRows::lazy, SilentRows::closed_form}) {
          spec.silent_rows = rows;
          std::shared_ptr<const Plan> plan;
          try {
            plan = std::make_shared<const Plan>(spec);
          } catch (const std::invalid_argument&) {  // a pair that is forbidden
            refused += rows == SilentRows::visited;
            continue;
          }
          LearnerOf<T> learner(plan);
          if (learners % 2) learner.start_gauges({50, 1, 20});
          const long long seen = step_many(learner, steps, false, &rejected);
          allocating += seen != 0;
          if (seen != 0 && allocating <= 5)  // the first few say enough
            std::fprintf(stderr, "learner %lld (%s, %zu layers): %lld calls\n", learners, optimizer.name.c_str(),
                         network.size(), seen);
          for (size_t h = 0; h < learner.plan().hidden.size(); ++h)
            regenerated += (long long)learner.replacements((int)h);
          CHECK(learner.steps() > 0);
          ++learners;
        }
      }
  CHECK_EQUAL(allocating, 0);
  CHECK(learners > 1000);
  CHECK(rejected > learners * steps / 100);
  CHECK(regenerated > learners * steps / 100);
  std::printf(
      "%s: %lld learners (%lld pairs are forbidden), %lld steps each, %lld regenerations, %lld rejected examples\n",
      sizeof(T) == 4 ? "float32" : "float64", learners, refused, steps, regenerated, rejected);

  // The positive control: one allocation among all these steps is caught.
  Spec spec;
  spec.inputs = {kInputs}, spec.layers = networks()[0], spec.optimizer = optimizers()[0];
  spec.twice = sizeof(T) == 8;
  LearnerOf<T> learner(std::make_shared<const Plan>(spec));
  CHECK_EQUAL(step_many(learner, steps, true, &rejected), 2);
}

}  // namespace
}  // namespace streamdl

int main(int argc, char** argv) {
  const long long steps = argc > 1 ? std::atoll(argv[1]) : 20'000;
  std::printf("instruction set: %s\n", streamdl::chosen_instruction_set().name);
  streamdl::check_all<float>(steps);
  streamdl::check_all<double>(steps);
  return check_result();
}
