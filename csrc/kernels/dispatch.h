// Chooses the instruction set, once, when a learner is built.
#pragma once

#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace streamdl {

// Names of the sets that this processor and this build have, slowest first.
std::vector<std::string> available_instruction_sets();

// The set called `name`, or the fastest one for an empty name.
// Throws std::runtime_error where it is unknown or unavailable, naming what there is.
const InstructionSet& instruction_set(const std::string& name);

// The set that STREAMDL_ISA asks for, else the fastest.
const InstructionSet& chosen_instruction_set();

}  // namespace streamdl
