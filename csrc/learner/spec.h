// The user's description of a learner, checked and turned into numbers. Building refuses loudly:
// std::invalid_argument, naming the field, the value and what is allowed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace streamdl {

enum class Init { kaiming_uniform, kaiming_normal, lecun_uniform, xavier_uniform, standard, sparse, zeros, signs };

struct LayerSpec {
  enum class Kind {
    linear,
    sparse_linear,
    conv2d,
    max_pool2d,
    avg_pool2d,
    flatten,
    activation,
    crelu,
    fourier,
    prelu,
    adalin,
    layer_norm,
    online_norm,
    input_norm,
    dropout
  } kind;
  int outputs = 0;   // linear, sparse_linear; conv2d: channels
  int edges = 0;     // sparse_linear: of one input,
  int block = 1;     // so many next to each other
  int kernel = 1;    // conv2d, pools: rows and columns of a window
  int stride = 1;    // conv2d, pools: from window to window
  bool bias = true;  // linear, sparse_linear, conv2d
  Init init = Init::kaiming_uniform;
  double sparsity = 0.9;   // fraction of zero incoming weights, for Init::sparse
  double threshold = 0.6;  // for Init::signs
  Activation activation = Activation::linear;
  bool affine = false;       // norms
  double decay = 0;          // online_norm, input_norm: of mean and variance,
  double control_decay = 0;  // and of what steers the gradient
  double epsilon = 0;        // input_norm: added to the variance
  double start = 0;          // prelu, adalin: the first slope
  double rate = 0;           // dropout: probability of being dropped

  bool learns_slope() const { return kind == Kind::prelu || kind == Kind::adalin; }
};

struct OptimizerSpec {
  std::string name;
  std::vector<double> hyper;         // of the rule, in the order of its table, then the common ones
  std::vector<std::string> options;  // of the rule, in the order of its table
  bool exact_sensitivity = false;
};

struct PlasticitySpec {
  std::string name;
  std::vector<double> hyper;         // in the order of the method's table
  std::vector<std::string> options;  // likewise
};

// What happens to rows of weights whose input is 0, under rules that move them: they are visited on every example; or they
// wait, and make up for their updates one by one, or by a closed form of all of them.
enum class SilentRows { visited, lazy, closed_form };

struct Spec {
  std::vector<int> inputs;  // one number, or a shape; three numbers are an image: channels, rows, columns
  std::vector<LayerSpec> layers;
  Loss loss = Loss::squared_error;
  OptimizerSpec optimizer;
  std::vector<PlasticitySpec> plasticity;
  uint64_t seed = 0;
  bool twice = false;  // float64
  int threads = 1;
  SilentRows silent_rows = SilentRows::visited;
};

}  // namespace streamdl
