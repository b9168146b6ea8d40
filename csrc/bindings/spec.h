// From Python's description of a learner to a Spec; the names that it may use.
#pragma once

#include <nanobind/nanobind.h>

#include <string>
#include <vector>

#include "learner/spec.h"

namespace streamdl {

std::vector<std::string> activation_names();
std::vector<std::string> loss_names();
std::vector<std::string> init_names();

// Throws ValueError for a name that is not known.
Spec spec_from(const nanobind::dict& d);

}  // namespace streamdl
