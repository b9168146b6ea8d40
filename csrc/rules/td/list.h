// All rules of linear temporal-difference learning. A new one is one header and one line here.
#pragma once

#include "rules/td/auto_tidbd.h"
#include "rules/td/swift_td.h"
#include "rules/td/td.h"
#include "rules/td/tidbd.h"
#include "rules/td/true_online_td.h"

#define STREAMDL_TD_RULES(X) \
  X(TD)                      \
  X(TrueOnlineTD)            \
  X(TIDBD)                   \
  X(AutoTIDBD)               \
  X(SwiftTD)
