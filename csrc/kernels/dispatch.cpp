#include "kernels/dispatch.h"

#include <cstdlib>
#include <stdexcept>

namespace streamdl {

#define STREAMDL_DECLARE(isa)                     \
  const Kernels<float>& kernels_##isa##_single(); \
  const Kernels<double>& kernels_##isa##_double();
STREAMDL_DECLARE(scalar)
STREAMDL_DECLARE(avx2)
STREAMDL_DECLARE(avx512)
STREAMDL_DECLARE(neon)
#undef STREAMDL_DECLARE

namespace {

// Slowest first.
const InstructionSet kSets[] = {
    {"scalar", [] { return true; }, kernels_scalar_single, kernels_scalar_double},
#if defined(__x86_64__)
    {"avx2", [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }, kernels_avx2_single,
     kernels_avx2_double},
    {"avx512",
     [] {
       return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
              __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
     },
     kernels_avx512_single, kernels_avx512_double},
#elif defined(__aarch64__)
    {"neon", [] { return true; }, kernels_neon_single, kernels_neon_double},
#endif
};

}  // namespace

std::vector<std::string> available_instruction_sets() {
  std::vector<std::string> names;
  for (const InstructionSet& set : kSets)
    if (set.available()) names.emplace_back(set.name);
  return names;
}

const InstructionSet& instruction_set(const std::string& name) {
  std::string choices;
  const InstructionSet* fastest = nullptr;
  for (const InstructionSet& set : kSets) {
    if (!set.available()) continue;
    if (name == set.name) return set;
    choices += choices.empty() ? set.name : std::string(", ") + set.name;
    fastest = &set;
  }
  if (name.empty()) return *fastest;
  throw std::runtime_error("STREAMDL_ISA: '" + name +
                           "' is not an instruction set of this processor and build; available: " + choices);
}

const InstructionSet& chosen_instruction_set() {
  const char* forced = std::getenv("STREAMDL_ISA");
  return instruction_set(forced ? forced : "");
}

}  // namespace streamdl
