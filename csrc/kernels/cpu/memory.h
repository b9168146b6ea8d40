// How passes over large weights ask for memory early.
#pragma once

#include "math/isa.h"

STREAMDL_BEGIN

// What is needed a row later. Into the second cache: a row with its fields, and the next one, may fill the first.
STREAMDL_HD void ask_for(const void* later) { __builtin_prefetch(later, 1, 2); }

STREAMDL_END
