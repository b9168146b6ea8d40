// All update rules. A new rule is one header and one line here (and a row in tests and docs).
#pragma once

#include "rules/optimizers/adam.h"
#include "rules/optimizers/adamw.h"
#include "rules/optimizers/autostep.h"
#include "rules/optimizers/ewc.h"
#include "rules/optimizers/hypergradient.h"
#include "rules/optimizers/idbd.h"
#include "rules/optimizers/intentional.h"
#include "rules/optimizers/mas.h"
#include "rules/optimizers/meta_optimize.h"
#include "rules/optimizers/nidbd.h"
#include "rules/optimizers/normalized_idbd.h"
#include "rules/optimizers/obgd.h"
#include "rules/optimizers/rmsprop.h"
#include "rules/optimizers/rwalk.h"
#include "rules/optimizers/sgd.h"
#include "rules/optimizers/si.h"
#include "rules/optimizers/sig_idbd.h"
#include "rules/optimizers/upgd.h"

// clang-format off
#define STREAMDL_OPTIMIZERS(X)                                                                                  \
  X(SGD) X(SGDMomentum) X(PGD) X(Adam) X(AdamW) X(RMSprop)                                                      \
  X(IDBD) X(NIDBD) X(NIDBDGradient) X(NIDBDDeviation) X(NormalizedIDBD) X(SigIDBD) X(Autostep)                  \
  X(HypergradientSGD) X(HypergradientAdam) X(HypergradientSGDPerWeight) X(HypergradientAdamPerWeight)           \
  X(MetaOptimizeScalar<0>) X(MetaOptimizeScalar<1>) X(MetaOptimizeScalar<2>) X(MetaOptimizeScalar<3>)           \
  X(MetaOptimizeLayerwise<0>) X(MetaOptimizeLayerwise<1>) X(MetaOptimizeLayerwise<2>)                           \
  X(MetaOptimizeLayerwise<3>)                                                                                   \
  X(MetaOptimizeWeightwise<0>) X(MetaOptimizeWeightwise<1>) X(MetaOptimizeWeightwise<2>)                        \
  X(MetaOptimizeWeightwise<3>) X(MetaOptimizeWeightwise<4>) X(MetaOptimizeWeightwise<5>)                        \
  X(MetaOptimizeWeightwise<6>) X(MetaOptimizeWeightwise<7>) X(MetaOptimizeWeightwise<8>)                        \
  X(MetaOptimizeWeightwise<9>) X(MetaOptimizeWeightwise<10>) X(MetaOptimizeWeightwise<11>)                      \
  X(MetaOptimizeWeightwise<12>) X(MetaOptimizeWeightwise<13>) X(MetaOptimizeWeightwise<14>)                     \
  X(MetaOptimizeWeightwise<15>)                                                                                 \
  X(ObGD) X(AdaptiveObGD) X(Intentional)                                                                        \
  X(UPGD) X(UPGDNoisy) X(UPGDLocal) X(UPGDLocalNoisy)                                                           \
  X(UPGDAdaptive) X(UPGDAdaptiveNoisy) X(UPGDAdaptiveLocal) X(UPGDAdaptiveLocalNoisy)                           \
  X(EWC) X(MAS) X(SI) X(RWalk)
// clang-format on
