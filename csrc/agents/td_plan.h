// A linear temporal-difference learner as it was built: its rule, and where the arrays of its state lie. Immutable.
#pragma once

#include <string>
#include <vector>

#include "kernels/td.h"
#include "learner/entries.h"
#include "rules/td/table.h"

namespace streamdl {

struct TDSpec {
  std::string name;           // of the rule
  std::vector<double> hyper;  // in the order of its table
  bool ordinary = false;      // gradient="ordinary"
  int features = 0;
  bool twice = false;  // float64
};

struct TDPlan {
  TDSpec spec;
  int rule = -1;  // in the order of STREAMDL_TD_RULES
  const base::TDField* fields = nullptr;
  const base::TDScalar* scalar_table = nullptr;
  int field_count = 0, scalar_count = 0;
  bool looks_back = true;
  bool bounds_step_sizes = false;  // a written hyper-parameter may concern features at rest
  int columns = 0, blocks = 0;

  std::vector<Named> hyper_names;
  std::vector<FieldEntry> entries;
  size_t steps = 0, started = 0, hyper = 0, weights = 0, scalars = 0, input = 0;  // byte offsets
  size_t bytes = 0;

  // Throws std::invalid_argument, naming the field, the value and what is allowed.
  explicit TDPlan(TDSpec spec);

 private:
  template <class T> void lay_out_as();
};

}  // namespace streamdl
