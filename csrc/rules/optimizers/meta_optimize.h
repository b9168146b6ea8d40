// MetaOptimize, Hessian-free: any base update, whose step sizes are learned by any meta update.
#pragma once

#include "math/elementary.h"
#include "rules/context.h"

STREAMDL_BEGIN

// Which moments an update keeps.
enum class Moments { none, momentum, mean_square, both };
constexpr int count_of(Moments m) { return m == Moments::none ? 0 : m == Moments::both ? 2 : 1; }

struct MetaOptimizeDefaults : RuleDefaults {
  static constexpr Description description = {
      "MetaOptimize", "Step sizes learned by a meta-gradient: one for the network, per array, or per weight.",
      "m = sum over the block of h g;  c = a (u + kappa w);  w -= c;  h = gamma (1 - kappa a) h - c;  "
      "ln a -= theta times the meta update's direction of m, with u the base update's direction",
      "Sharifnassab, Salehkaleybar and Sutton, 2025",
      "one field and those of base and meta update (per weight: one more), one pass; silent rows are visited, without "
      "weight decay and under base and meta updates without momentum only their h and mean squares"};
  static constexpr const char* when =
      "Step sizes that answer for their effect on later losses, under a base update of your choice. One step size for "
      "the network is the cheapest; one per weight finds the inputs that matter.";

  enum {
    step_size,
    meta_step_size,
    discount,
    weight_decay,
    momentum,
    normalizer,
    lion_beta,
    meta_momentum,
    meta_normalizer,
    meta_lion_beta
  };
  static constexpr HyperParameter hypers[] = {
      {"step_size", 1e-3, 0.0, kUnbounded, true, true, "exp(beta)", "initial step size"},
      {"meta_step_size", 1e-3, 0.0, kUnbounded, false, true, "theta", "step size of the step sizes' logarithms"},
      {"discount", 1.0, 0.0, 1.0, false, false, "gamma", "of the losses that a step size answers for"},
      {"weight_decay", 0.0, 0.0, kUnbounded, false, true, "kappa", "decoupled: w -= a kappa w"},
      {"momentum", 0.9, 0.0, 1.0, false, true, "rho", "base: decay of the momentum"},
      {"normalizer", 0.999, 0.0, 1.0, false, true, "lambda", "base: decay of the squared gradients"},
      {"lion_beta", 0.9, 0.0, 1.0, false, false, "c", "base Lion: share of the momentum in the sign"},
      {"meta_momentum", 0.9, 0.0, 1.0, false, true, "", "meta: decay of the momentum"},
      {"meta_normalizer", 0.999, 0.0, 1.0, false, true, "", "meta: decay of the squared meta-gradients"},
      {"meta_lion_beta", 0.9, 0.0, 1.0, false, false, "", "meta Lion: share of the momentum in the sign"},
  };
  static constexpr bool takes_decays = false;
  enum { base, meta, blocks };
  enum Base { SGD, SGDm, RMSProp, AdamW, Lion };
  enum Meta { MetaSGD, MetaRMSProp, MetaAdam, MetaLion };
  enum Blocks { scalar, layerwise, weightwise };
  static constexpr int option_count = 3;
  static constexpr Option options[] = {
      {"base", "SGD SGDm RMSProp AdamW Lion", AdamW, "the update whose step sizes are learned"},
      {"meta", "SGD RMSProp Adam Lion", MetaLion, "the update of the step sizes' logarithms"},
      {"blocks", "scalar layerwise weightwise", scalar, "one step size for the network, per array, or per weight"},
  };

  static constexpr Moments base_moments(int b) {
    return b == SGD       ? Moments::none
           : b == RMSProp ? Moments::mean_square
           : b == AdamW   ? Moments::both
                          : Moments::momentum;
  }
  static constexpr Moments meta_moments(int m) {
    return m == MetaSGD       ? Moments::none
           : m == MetaRMSProp ? Moments::mean_square
           : m == MetaAdam    ? Moments::both
                              : Moments::momentum;
  }

  // Shared: what sums of squares are multiplied by, (1 - x) / (1 - x^t), then what one block has.
  enum { base_scale, meta_scale, block_step_size, block_momentum, block_mean_square };

  static void begin(double* shared, const double* hyper, double t) {
    shared[base_scale] = (1 - hyper[normalizer]) / (1 - power(hyper[normalizer], t));
    shared[meta_scale] = (1 - hyper[meta_normalizer]) / (1 - power(hyper[meta_normalizer], t));
  }

  template <class V>
  STREAMDL_HD static V sign(V x) {
    return select(x == V(0), V(0), copysign(V(1), x));
  }
  template <class V>
  STREAMDL_HD static V normalized(V x, V square, V scale) {
    return x / sqrt(fma(square, scale, V((Number<V>)1e-10)));
  }
  template <class V>
  STREAMDL_HD static V lion(V share, V decay, V& moment, V x) {
    const V direction = sign(fma(share, moment, (V(1) - share) * x));
    moment = flushed(fma(decay, moment, (V(1) - decay) * x));
    return direction;
  }

  // The direction of the meta update, from m and `kFields` moments.
  template <int kFields, class V, class H>
  STREAMDL_HD static V meta_direction(int kind, V m, V* moments, V scale, const H& hyper) {
    V direction = m;
    if constexpr (kFields == 1)
      if (kind == MetaLion) return lion(V(hyper[meta_lion_beta]), V(hyper[meta_momentum]), moments[0], m);
    if constexpr (kFields == 2) direction = moments[0] = flushed(fma(V(hyper[meta_momentum]), moments[0], m));
    if constexpr (kFields > 0) {
      V& square = moments[kFields - 1];
      square = flushed(fma(V(hyper[meta_normalizer]), square, m * m));
      direction = normalized(direction, square, scale);
    }
    return direction;
  }

  // The same for the base update.
  template <int kFields, class V, class C>
  STREAMDL_HD static V base_direction(V g, V* moments, const C& c) {
    if constexpr (kFields == 0) return g;
    if constexpr (kFields == 1) {
      if (c.options[base] == Lion) return lion(c.hyper[lion_beta], c.hyper[momentum], moments[0], g);
      if (c.options[base] == SGDm) {
        const V direction = moments[0];
        moments[0] = flushed(fma(c.hyper[momentum], moments[0], (V(1) - c.hyper[momentum]) * g));
        return direction;
      }
    }
    if constexpr (kFields == 2) moments[0] = flushed(fma(c.hyper[momentum], moments[0], g));
    V& square = moments[kFields - 1];
    square = flushed(fma(c.hyper[normalizer], square, g * g));
    return normalized(kFields == 2 ? moments[0] : g, square, c.shared[base_scale]);
  }

  // A silent weight stays where nothing decays it and no update has a momentum, per weight also of its step size.
  static bool rests(const double* hyper, const int* options) {
    const Moments moments = base_moments(options[base]);
    return hyper[weight_decay] == 0 && (moments == Moments::none || moments == Moments::mean_square);
  }
  template <class V, class C>
  STREAMDL_HD static void fade_trace(V& h, const C& c) {
    h = flushed(c.hyper[discount] * h);
  }
  template <class V>
  STREAMDL_HD static void fade_square(V& square, V decay) {
    square = flushed(decay * square);
  }

  // w and h after one base update; returns m of this weight.
  template <int kFields, class V, class G, class C>
  STREAMDL_HD static V descend(V& w, V a, V& h, V* moments, const G& gradient, const C& c) {
    const V g = c.gradient(gradient, w), m = h * g;
    const V kappa = c.hyper[weight_decay];
    const V change = a * fma(kappa, w, base_direction<kFields>(g, moments, c));
    w = w - change;
    h = flushed(fms(c.hyper[discount] * fnma(kappa, a, V(1)), h, change));
    return m;
  }
};

// Kernels know how many moments there are; the tables below, what they are called.
template <int kBaseFields>
struct MetaOptimizeBlocksKernel : MetaOptimizeDefaults {
  static constexpr int field_count = 1 + kBaseFields;
  static constexpr int shared_count = 5;
  static constexpr Sums sums = {1};

  static constexpr unsigned fading = kBaseFields == 0 ? 1 : kBaseFields == 1 ? 0b11 : 0;
  static bool fades(const double* hyper, const int* options) { return rests(hyper, options); }

  template <class V, class C>
  STREAMDL_HD static void fade(V* f, const C& c) {
    fade_trace(f[0], c);
    if constexpr (kBaseFields) fade_square(f[1], c.hyper[normalizer]);
  }

  static void conclude(const Conclusion& c) {
    double* moments = c.shared + block_momentum;
    const double m = c.sum[0], scale = c.shared[meta_scale];
    double direction = m;
    switch (c.options[meta]) {
      case MetaLion: direction = meta_direction<1>(MetaLion, m, moments, scale, c.hyper); break;
      case MetaAdam: direction = meta_direction<2>(MetaAdam, m, moments, scale, c.hyper); break;
      case MetaRMSProp: direction = meta_direction<1>(MetaRMSProp, m, moments + 1, scale, c.hyper); break;
      default: break;
    }
    c.shared[block_step_size] *= exp(-c.hyper[meta_step_size] * direction);
  }

  template <class V, class G, class C>
  STREAMDL_HD static void apply(V& w, const G& gradient, V, V* f, C& c) {
    c.part[0] = descend<kBaseFields>(w, c.shared[block_step_size], f[0], f + 1, gradient, c);
  }
};

template <int kBaseFields, int kMetaFields>
struct MetaOptimizePerWeightKernel : MetaOptimizeDefaults {
  static constexpr int field_count = 2 + kBaseFields + kMetaFields;
  static constexpr int shared_count = 2;

  // h, and mean squares.
  static constexpr unsigned fading =
      kBaseFields < 2 && kMetaFields < 2 ? 1u | (kBaseFields | kMetaFields << kBaseFields) << 2 : 0u;
  static bool fades(const double* hyper, const int* options) {
    return rests(hyper, options) && (options[meta] == MetaSGD || options[meta] == MetaRMSProp);
  }

  template <class V, class C>
  STREAMDL_HD static void fade(V* f, const C& c) {
    fade_trace(f[0], c);
    if constexpr (kBaseFields) fade_square(f[2], c.hyper[normalizer]);
    if constexpr (kMetaFields) fade_square(f[2 + kBaseFields], c.hyper[meta_normalizer]);
  }

  static bool bound(double* most, double g, const double* hyper)
    requires(field_count == 2)
  {
    using M = MetaOptimizeDefaults;
    const double m = g * most[1], increment = hyper[M::meta_step_size] * m * kRounding, a = most[2];
    const double direction = g + hyper[M::weight_decay] * most[0], decay = hyper[M::weight_decay] * a;
    if (!(increment < 0.1 && m < kSmall && direction < kSmall && decay < kSmall)) return false;
    const double change = a * direction, kept = 1 + decay;
    const double w = (most[0] + change) * kRounding;
    const double h = (hyper[M::discount] * kept * most[1] + change) * kRounding;
    if (!(a < kSmall && w < kSmall && h < kSmall)) return false;
    most[0] = w;
    most[1] = h;
    most[2] = a * (1 + 2 * increment) * kRounding;
    return true;
  }

  template <class V, class G, class C>
  STREAMDL_HD static void apply(V& w, const G& gradient, V, V* f, C& c) {
    V& a = f[1];
    const V m = descend<kBaseFields>(w, a, f[0], f + 2, gradient, c);
    const V direction =
        meta_direction<kMetaFields>(c.options[meta], m, f + 2 + kBaseFields, c.shared[meta_scale], c.hyper);
    a = a * exp(-c.hyper[meta_step_size] * direction);
  }
};

inline constexpr Field kWeightTrace = {"weight_trace", kStartsAtZero, "h: discounted sum of changes of the weight"};
inline constexpr Shared kBaseScale = {"base_scale", kStartsAtOne, "corrects the base update's mean square"};
inline constexpr Shared kMetaScale = {"meta_scale", kStartsAtOne, "corrects the meta update's mean square"};

constexpr Field moment(Moments of, int index, bool meta) {
  const bool square = of == Moments::mean_square || index == 1;
  if (meta)
    return square ? Field{"meta_mean_square", kStartsAtZero, "decaying sum of squared meta-gradients"}
                  : Field{"meta_momentum", kStartsAtZero, "decaying sum of meta-gradients"};
  return square ? Field{"mean_square", kStartsAtZero, "decaying sum of squared gradients"}
                : Field{"momentum", kStartsAtZero, "decaying sum of gradients"};
}

template <Moments kBase, Scope kScope>
struct MetaOptimizeBlocks : MetaOptimizeBlocksKernel<count_of(kBase)> {
  using Kernel = MetaOptimizeBlocksKernel<count_of(kBase)>;
  static constexpr Field fields[] = {kWeightTrace, moment(kBase, 0, false), moment(kBase, 1, false)};
  static constexpr Shared shared[] = {
      kBaseScale,
      kMetaScale,
      {"step_size", Kernel::step_size, "a: the step size of the block's weights"},
      {"meta_momentum", kStartsAtZero, "decaying sum of meta-gradients"},
      {"meta_mean_square", kStartsAtZero, "decaying sum of squared meta-gradients"},
  };
  static constexpr Sums sums = {1, kScope};

  static bool serves(const double*, const int* o) {
    return Kernel::base_moments(o[Kernel::base]) == kBase &&
           o[Kernel::blocks] == (kScope == Scope::array ? Kernel::layerwise : Kernel::scalar);
  }
};

template <Moments kBase, Moments kMeta>
struct MetaOptimizePerWeight : MetaOptimizePerWeightKernel<count_of(kBase), count_of(kMeta)> {
  using Kernel = MetaOptimizePerWeightKernel<count_of(kBase), count_of(kMeta)>;
  static constexpr int kMetaAt = 2 + count_of(kBase);
  static constexpr Field field(int k) {
    if (k < 2) return k == 0 ? kWeightTrace : Field{"step_size", Kernel::step_size, "a: this weight's step size"};
    return k < kMetaAt ? moment(kBase, k - 2, false) : moment(kMeta, k - kMetaAt, true);
  }
  static constexpr Field fields[] = {field(0), field(1), field(2), field(3), field(4), field(5)};
  static constexpr Shared shared[] = {kBaseScale, kMetaScale};

  static bool serves(const double*, const int* o) {
    return o[Kernel::blocks] == Kernel::weightwise && Kernel::base_moments(o[Kernel::base]) == kBase &&
           Kernel::meta_moments(o[Kernel::meta]) == kMeta;
  }
};

// By number, for the list: base moments, and per weight meta moments.
template <int k> using MetaOptimizeScalar = MetaOptimizeBlocks<(Moments)k, Scope::network>;
template <int k> using MetaOptimizeLayerwise = MetaOptimizeBlocks<(Moments)k, Scope::array>;
template <int k> using MetaOptimizeWeightwise = MetaOptimizePerWeight<(Moments)(k / 4), (Moments)(k % 4)>;

STREAMDL_END
