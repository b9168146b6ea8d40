// All plasticity methods. A new one is a table here, and what it does in csrc/learner.
#pragma once

#include "rules/plasticity/continual_backprop.h"
#include "rules/plasticity/continuous_continual_backprop.h"
#include "rules/plasticity/hare_and_tortoise.h"
#include "rules/plasticity/imprinting.h"
#include "rules/plasticity/l2_init.h"
#include "rules/plasticity/normalize_and_project.h"
#include "rules/plasticity/redo.h"
#include "rules/plasticity/rewiring.h"
#include "rules/plasticity/selective_weight_reinit.h"
#include "rules/plasticity/self_normalized_reset.h"
#include "rules/plasticity/shrink_and_perturb.h"
#include "rules/plasticity/weight_clipping.h"

#define STREAMDL_METHODS(X)      \
  X(ContinualBackprop)           \
  X(ReDo)                        \
  X(SelfNormalizedReset)         \
  X(ShrinkAndPerturb)            \
  X(L2Init)                      \
  X(WeightClipping)              \
  X(Imprinting)                  \
  X(HareAndTortoise)             \
  X(NormalizeAndProject)         \
  X(SelectiveWeightReinit)       \
  X(ContinuousContinualBackprop) \
  X(SET)                         \
  X(RigL)                        \
  X(EdgeUtility)
