#include "bindings/spec.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "rules/activations.h"

namespace nb = nanobind;

namespace streamdl {
namespace {

int position(const std::vector<std::string>& names, const std::string& name, const char* field) {
  std::string choices;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return (int)i;
    choices += (i ? ", " : "") + names[i];
  }
  throw nb::value_error((std::string(field) + ": '" + name + "' is not known; expected one of " + choices).c_str());
}

template <class R>
R get(const nb::dict& d, const char* key) {
  return nb::cast<R>(d[key]);
}

}  // namespace

std::vector<std::string> activation_names() {
#define STREAMDL_NAME(A, name, gain) name,
  return {STREAMDL_ACTIVATIONS(STREAMDL_NAME)};
#undef STREAMDL_NAME
}

std::vector<std::string> loss_names() { return {"squared_error", "cross_entropy", "binary_cross_entropy", "huber"}; }

std::vector<std::string> init_names() {
  return {"kaiming_uniform", "kaiming_normal", "lecun_uniform", "xavier_uniform",
          "default",         "sparse",         "zeros",         "signs"};
}

Spec spec_from(const nb::dict& d) {
  Spec s;
  s.inputs = get<std::vector<int>>(d, "inputs");
  for (nb::handle item : get<nb::list>(d, "layers")) {
    const nb::dict layer = nb::cast<nb::dict>(item);
    const std::string kind = get<std::string>(layer, "kind");
    LayerSpec l{};
    if (kind == "linear") {
      l.kind = LayerSpec::Kind::linear;
      l.outputs = get<int>(layer, "outputs");
      l.bias = get<bool>(layer, "bias");
      l.init = (Init)position(init_names(), get<std::string>(layer, "init"), "init");
      l.sparsity = get<double>(layer, "sparsity");
      l.threshold = get<double>(layer, "threshold");
    } else if (kind == "sparse_linear") {
      l.kind = LayerSpec::Kind::sparse_linear;
      l.outputs = get<int>(layer, "outputs");
      l.edges = get<int>(layer, "edges");
      l.block = get<int>(layer, "block");
      l.bias = get<bool>(layer, "bias");
      l.init = (Init)position(init_names(), get<std::string>(layer, "init"), "init");
    } else if (kind == "conv2d") {
      l.kind = LayerSpec::Kind::conv2d;
      l.outputs = get<int>(layer, "channels");
      l.kernel = get<int>(layer, "kernel");
      l.stride = get<int>(layer, "stride");
      l.bias = get<bool>(layer, "bias");
      l.init = (Init)position(init_names(), get<std::string>(layer, "init"), "init");
      l.sparsity = get<double>(layer, "sparsity");
    } else if (kind == "max_pool2d" || kind == "avg_pool2d") {
      l.kind = kind == "max_pool2d" ? LayerSpec::Kind::max_pool2d : LayerSpec::Kind::avg_pool2d;
      l.kernel = get<int>(layer, "kernel");
      l.stride = get<int>(layer, "stride");
    } else if (kind == "flatten") {
      l.kind = LayerSpec::Kind::flatten;
    } else if (kind == "activation") {
      l.kind = LayerSpec::Kind::activation;
      l.activation = (Activation)position(activation_names(), get<std::string>(layer, "name"), "activation");
    } else if (kind == "layer_norm") {
      l.kind = LayerSpec::Kind::layer_norm;
      l.affine = get<bool>(layer, "affine");
    } else if (kind == "online_norm") {
      l.kind = LayerSpec::Kind::online_norm;
      l.affine = get<bool>(layer, "affine");
      l.decay = get<double>(layer, "decay");
      l.control_decay = get<double>(layer, "control_decay");
    } else if (kind == "input_norm") {
      l.kind = LayerSpec::Kind::input_norm;
      l.decay = get<double>(layer, "decay");
      l.epsilon = get<double>(layer, "epsilon");
    } else if (kind == "crelu" || kind == "fourier") {
      l.kind = kind == "crelu" ? LayerSpec::Kind::crelu : LayerSpec::Kind::fourier;
    } else if (kind == "prelu") {
      l.kind = LayerSpec::Kind::prelu;
      l.start = get<double>(layer, "start");
    } else if (kind == "adalin") {
      l.kind = LayerSpec::Kind::adalin;
      l.activation = (Activation)position(activation_names(), get<std::string>(layer, "name"), "AdaLin.activation");
      l.start = get<double>(layer, "start");
    } else {
      l.kind = LayerSpec::Kind::dropout;
      l.rate = get<double>(layer, "rate");
    }
    s.layers.push_back(l);
  }
  s.loss = (Loss)position(loss_names(), get<std::string>(d, "loss"), "loss");
  const nb::dict optimizer = get<nb::dict>(d, "optimizer");
  s.optimizer = {get<std::string>(optimizer, "name"), get<std::vector<double>>(optimizer, "hyper"),
                 get<std::vector<std::string>>(optimizer, "options"), get<bool>(optimizer, "exact_sensitivity")};
  for (nb::handle item : get<nb::list>(d, "plasticity")) {
    const nb::dict p = nb::cast<nb::dict>(item);
    const PlasticitySpec q{get<std::string>(p, "name"), get<std::vector<double>>(p, "hyper"),
                           get<std::vector<std::string>>(p, "options")};
    s.plasticity.push_back(q);
  }
  s.seed = get<uint64_t>(d, "seed");
  s.twice = get<bool>(d, "twice");
  s.threads = get<int>(d, "threads");
  if (d.contains("silent_rows"))  // checkpoints of before have none, and continue with the same bits
    s.silent_rows =
        (SilentRows)position({"visited", "lazy", "closed_form"}, get<std::string>(d, "silent_rows"), "silent_rows");
  return s;
}

}  // namespace streamdl
