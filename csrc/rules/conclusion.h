// What a rule sees when its sums are known: of one array with Scope::array, else of the network.
#pragma once

namespace streamdl {

inline constexpr int kMaxSums = 2;

struct Conclusion {
  const double* sum;
  double* shared;
  const double* hyper;
  const int* options;
  double error;  // descends_output: the target minus the output
  double t;      // the number of this update, from 1
};

}  // namespace streamdl
