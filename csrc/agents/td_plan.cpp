#include "agents/td_plan.h"

#include <stdexcept>

#include "rules/td/list.h"

namespace streamdl {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument(what); }

template <class Rule>
void choose(TDPlan& plan, int index) {
  if (plan.spec.name != Rule::description.name) return;
  plan.rule = index;
  plan.fields = Rule::fields;
  plan.field_count = sizeof(Rule::fields) / sizeof(Rule::fields[0]);
  plan.scalar_table = Rule::scalars;
  plan.scalar_count = Rule::scalar_count;
  plan.looks_back = Rule::looks_back;
  if constexpr (requires { Rule::rate_bound; }) plan.bounds_step_sizes = true;
  if (plan.spec.ordinary && !Rule::has_gradient) refuse("gradient: " + plan.spec.name + " has no such choice");
  for (const auto& h : Rule::hypers) plan.hyper_names.push_back({h.name, h.low, h.high, h.low_open, h.high_open});
}

}  // namespace

TDPlan::TDPlan(TDSpec s) : spec(std::move(s)) {
  constexpr int kMost = 1 << 30;
  if (spec.features < 1 || spec.features > kMost)
    refuse("features: expected 1 to " + std::to_string(kMost) + ", got " + std::to_string(spec.features));
  int index = 0;
#define STREAMDL_CHOOSE(Rule) choose<base::Rule>(*this, index++);
  STREAMDL_TD_RULES(STREAMDL_CHOOSE)
#undef STREAMDL_CHOOSE
  if (rule < 0) refuse("rule: none is called '" + spec.name + "'");
  if (spec.hyper.size() != hyper_names.size())
    refuse(spec.name + ": expected " + std::to_string(hyper_names.size()) + " hyper-parameters, got " +
           std::to_string(spec.hyper.size()));
  for (size_t i = 0; i < spec.hyper.size(); ++i) {
    const std::string wrong = wrong_value(hyper_names[i], spec.hyper[i], spec.twice);
    if (!wrong.empty()) refuse(wrong);
  }
  spec.twice ? lay_out_as<double>() : lay_out_as<float>();
}

template <class T>
void TDPlan::lay_out_as() {
  const Type type = sizeof(T) == 4 ? Type::f32 : Type::f64;
  auto place = [&](size_t size) {
    const size_t at = bytes;
    bytes += (size + kAlignment - 1) / kAlignment * kAlignment;
    return at;
  };
  auto numbers = [&](const std::string& name, Type t, size_t count, size_t at) {
    entries.push_back({name, t, {count}, {bytes_of(t)}, at, false});
    return at;
  };
  steps = numbers("steps", Type::u64, 1, place(8));
  started = numbers("started", Type::u64, 1, place(8));
  hyper = numbers("hyperparameters", Type::f64, hyper_names.size(), place(8 * hyper_names.size()));
  scalars = place(sizeof(T) * base::kMaxTDScalars);
  for (int k = 0; k < scalar_count; ++k) numbers(scalar_table[k].name, type, 1, scalars + k * sizeof(T));

  columns = padded<T>(spec.features);
  // Arrays whose distance is a multiple of 2 KB share cache sets: set them a line apart.
  if (columns * sizeof(T) % 2048 == 0) columns += kLanes<T>;
  blocks = padded<T>(spec.features) / kLanes<T>;
  weights = place(sizeof(T) * columns * (1 + (size_t)field_count));
  for (int f = -1; f < field_count; ++f)
    entries.push_back({f < 0 ? "0.weight" : std::string("0.weight.") + fields[f].name,
                       type,
                       {(size_t)spec.features, 1},
                       {sizeof(T), sizeof(T)},
                       weights + sizeof(T) * columns * (f + 1),
                       f < 0});
  if (looks_back) input = numbers("input", type, spec.features, place(sizeof(T) * columns));
}

}  // namespace streamdl
