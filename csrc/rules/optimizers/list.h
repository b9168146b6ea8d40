// All update rules. A new rule is one header and one line here (and a row in tests and docs).
#pragma once

#include "rules/optimizers/adam.h"
#include "rules/optimizers/adamw.h"
#include "rules/optimizers/idbd.h"
#include "rules/optimizers/rmsprop.h"
#include "rules/optimizers/sgd.h"

#define STREAMDL_OPTIMIZERS(X) \
  X(SGD)                       \
  X(SGDMomentum)               \
  X(Adam)                      \
  X(AdamW)                     \
  X(RMSprop)                   \
  X(IDBD)
