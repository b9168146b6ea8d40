// Loops over the rows of sparse layers, whose weights lead to listed columns: every edge of a source unit lies in its
// row. Blocks of edges are vectors, and so is what they lead to; what single edges lead to is gathered.
#pragma once

#include "kernels/cpu/measure.h"

STREAMDL_BEGIN

// What the edges of a row lead to, one register of them at a time; behind the last edge it is 0.
template <class V>
class Targets {
  using T = Number<V>;

 public:
  STREAMDL_HD Targets(const Edges& edges, int used) : edges_(edges), used_(used) {
    alignas(kAlignment) T within[V::width];
    const int last = used % V::width;
    for (int i = 0; i < V::width; ++i) within[i] = i < last || last == 0 ? T(1) : T(0);
    within_ = load_register(within);
  }
  STREAMDL_HD void start(int row) { targets_ = edges_.targets + row * edges_.target_stride; }
  STREAMDL_HD int column(int edge) const {
    return edges_.blocks ? targets_[edge / kEdgeBlock] + edge % kEdgeBlock : targets_[edge];
  }
  STREAMDL_HD V load(const T* of, int edge) const {
    if (edges_.blocks) return load_register(of + column(edge));
    const V all = gather(of, targets_ + edge);
    return edge + V::width <= used_ ? all : select(within_ != V(0), all, V(0));
  }
  // Adds what a register of edges contributes to the sums of the units that they lead to.
  template <class Rule>
  STREAMDL_HD void add(T* sums, V part, int edge) const {
    if (edges_.blocks) return add_to_unit<Rule>(sums + column(edge), part);
    alignas(kAlignment) T each[V::width];
    store(each, part);
    for (int i = 0; i < V::width && edge + i < used_; ++i) {
      T& sum = sums[targets_[edge + i]];
      sum = with_part<Rule>(sum, each[i]);
    }
  }
  STREAMDL_HD void prefetch(int row, int edge) const {
    if (edge % kEdgeBlock == 0 && !edges_.blocks)
      __builtin_prefetch(edges_.targets + row * edges_.target_stride + edge);
  }

 private:
  Edges edges_;
  int used_;
  V within_;
  const int32_t* targets_ = nullptr;
};

//---------------------------------------------------------------------------- reading only

// out = bias + sum over rows of x[row] * weights[row, :], one row after the other.
template <class T>
void forward_edges(const ForwardArgs<T>& args) {
  using V = Register<T>;
  const ForwardArgs<T> a = args;  // a copy, since vector stores may change anything else
  const Edges e = *a.edges;
  const int used = a.used;
  T* const out = a.out;
  for (int k = 0; k < e.outputs; k += V::width) store(out + k, a.bias ? load_register(a.bias + k) : V(0));
  for (int i = 0; i < a.row_count; ++i) {
    const T* const w = a.weights + a.rows[i] * a.row_stride;
    const int32_t* const target = e.targets + a.rows[i] * e.target_stride;
    const T* const next = a.weights + a.rows[i + 1] * a.row_stride;
    const int32_t* const next_target = e.targets + a.rows[i + 1] * e.target_stride;
    const T x = a.x[a.rows[i]];
    if (e.blocks) {
      const V all(x);
      for (int block = 0; block < used; block += kEdgeBlock) {
        T* const to = out + target[block / kEdgeBlock];
        __builtin_prefetch(next + block);
#pragma GCC unroll 2
        for (int k = 0; k < kEdgeBlock; k += V::width)
          store(to + k, fma(all, load_register(w + block + k), load_register(to + k)));
      }
      continue;
    }
    int edge = 0;
    for (; edge + kEdgeBlock <= used; edge += kEdgeBlock) {
      __builtin_prefetch(next + edge);
      __builtin_prefetch(next_target + edge);
#pragma GCC unroll 4
      for (int k = edge; k < edge + kEdgeBlock; k += 4) add_to_four(out, target + k, x, w + k);
    }
    for (; edge < used; ++edge) out[target[edge]] = fma(x, w[edge], out[target[edge]]);
  }
}

template <class T>
void backward_edges(const UpdateArgs<T>& a, bool squared) {
  using V = Register<T>;
  constexpr int kPieces = Lanes<T>::width / V::width;
  Targets<V> to(*a.edges, a.used);
  for (int i = 0; i < a.row_count; ++i) {
    const T* row = a.weights + a.rows[i] * a.row_stride;
    to.start(a.rows[i]);
    V dot[kPieces];
    for (V& part : dot) part = V(0);
    for (int j = 0; j < a.used; j += V::width) {
      const V w = load_register(row + j);
      V& part = dot[j / V::width % kPieces];
      part = fma(squared ? w * w : w, to.load(a.delta, j), part);
    }
    a.input_delta[a.rows[i]] = sum(join(dot));
  }
}

template <class T>
void edge_utility(const EdgeUtilityArgs<T>& a) {
  using V = Register<T>;
  Targets<V> to(*a.edges, a.used);
  const V decay(a.decay), share(1 - a.decay);
  for (int i = 0; i < a.row_count; ++i) {
    const T x = a.x[a.rows[i]];
    if (x == T(0)) continue;
    T* const row = a.weights + a.rows[i] * a.row_stride;
    T* const u = row + a.utility;
    to.start(a.rows[i]);
    for (int j = 0; j < a.used; j += V::width) {
      const V g = V(x) * to.load(a.delta, j);
      store(u + j, fma(decay, load_register(u + j), share * abs(g * load_register(row + j))));
    }
  }
}

//---------------------------------------------------------------------------- the passes back

// The bias of a sparse layer is a dense vector: the arguments of its pass.
template <class T>
STREAMDL_HD UpdateArgs<T> of_bias(const UpdateArgs<T>& rows) {
  UpdateArgs<T> a = rows;
  a.columns = rows.edges->bias_columns;
  a.used = rows.edges->outputs;
  if (rows.anchor) a.anchor = rows.edges->bias_anchor;
  return a;
}

template <class T>
STREAMDL_HD void take_results(UpdateArgs<T>& args, const UpdateArgs<T>& of_bias) {
  args.largest = of_bias.largest;
  args.cancelled = of_bias.cancelled;
  for (int k = 0; k < kMaxSums; ++k) args.bias_sums[k] = of_bias.bias_sums[k];
}

// `repair`, on copies of what the edges lead to.
template <class Rule, bool kDecay, class T>
STREAMDL_COLD void repair_edges(UpdateArgs<T>& args, Targets<Register<T>> to, T* p, int row, int edge, const T* noise,
                                Register<T>* parts) {
  using V = Register<T>;
  alignas(kAlignment) T copies[(3 + kMaxClocks) * V::width];
  T* free = copies;
  auto copy = [&](const T* of) {
    T* const made = free;
    free += V::width;
    store(made, to.load(of, edge));
    return made;
  };
  UpdateArgs<T> a = args;
  a.delta = copy(args.delta);
  if constexpr (kSensitive<Rule>) a.sensitivity = copy(args.sensitivity);
  if constexpr (kOfUnits<Rule>) a.unit_factors = copy(args.unit_factors);
  for (int k = 0; k < Rule::clock_count; ++k) a.column_correction[k] = copy(args.column_correction[k]);
  repair<Rule, kDecay>(a, p, row, 0, noise, parts);
  args.largest = a.largest;
  args.cancelled = a.cancelled;
}

template <class Rule, bool kDecays, class T>
void update_edges(UpdateArgs<T>& args) {
  using V = Register<T>;
  constexpr int kPieces = Lanes<T>::width / V::width;
  constexpr bool propagate = !Rule::sums.before;  // else that came with the pass that measures
  constexpr bool curved = propagate && Rule::uses_sensitivity;
  const UpdateArgs<T> a = args;  // a copy, since vector stores may change anything else
  auto c = make_context<Rule, kDecays, true, V>(a);
  Targets<V> to(*a.edges, a.used);
  const V limit(a.limit);
  alignas(kAlignment) T normal[kNormals];
  for (int i = 0; i < a.row_count; ++i) {
    const int at = a.rows[i], next = a.rows[i + 1];
    const V x(a.x[at]);
    T* const row = a.weights + at * a.row_stride;
    const T* const next_row = a.weights + next * a.row_stride;
    to.start(at);
    V dot[kPieces], squared_dot[kPieces], parts[kSumsAfter<Rule> + 1][kPieces];
    for (int p = 0; p < kPieces; ++p) dot[p] = squared_dot[p] = V(0);
    for (auto& of : parts)
      for (V& part : of) part = V(kNoPart<Rule, T>);
    auto piece = [&](int j, int p) __attribute__((always_inline)) {
      const V old = load_register(row + j), delta = to.load(a.delta, j);
      V s(0), w = old;
      if constexpr (propagate) dot[p] = fma(old, delta, dot[p]);
      if constexpr (kSensitive<Rule>) s = to.load(a.sensitivity, j);
      if constexpr (curved) squared_dot[p] = fma(old * old, s, squared_dot[p]);
      if constexpr (kOfUnits<Rule>) c.unit = to.load(a.unit_factors, j);
      for (int k = 0; k < Rule::clock_count; ++k)
        c.correction[k] = max(V(a.row_correction[k][at]), to.load(a.column_correction[k], j));
      if constexpr (Rule::uses_noise) {
        if (j % kNormals == 0)
          draw_normals(normal, (uint32_t)at * counters_of(a.used) + (uint32_t)j / kNormals * 16, a.noise, a.used - j);
        c.noise = load_register(normal + j % kNormals);
      }
      find_anchor(a, c, row + j);
      if (!update_quickly<Rule, false>(row + j, a.columns, w, OuterProduct<V>{x, delta}, sensitivity_of<Rule>(x, s), c,
                                       limit)) [[unlikely]] {
        V repaired[kMaxSums];
        repair_edges<Rule, kDecays>(args, to, row + j, at, j, normal + j % kNormals, repaired);
        for (int k = 0; k < kSumsAfter<Rule>; ++k) c.part[k] = repaired[k];
      }
      for (int k = 0; k < kSumsAfter<Rule>; ++k) parts[k][p] = with_part<Rule>(parts[k][p], c.part[k]);
    };
    for (int j = 0; j < a.used; j += Lanes<T>::width) {
      for (int k = 0; k <= Rule::field_count; ++k) ask_for(next_row + k * a.columns + j);
      to.prefetch(next, j);
#pragma GCC unroll 2
      for (int p = 0; p < kPieces; ++p)
        if (p == 0 || j + p * V::width < a.used) piece(j + p * V::width, p);
    }
    if constexpr (propagate) a.input_delta[at] = sum(join(dot));
    if constexpr (curved) a.input_sensitivity[at] = sum(join(squared_dot));
    for (int k = 0; k < kSumsAfter<Rule>; ++k) a.row_sums[k][at] = total_of<Rule>(join(parts[k]));
  }
  UpdateArgs<T> biases = of_bias(args);
  const UpdateArgs<T> b = biases;
  update_bias<Rule, 0>(b, biases, c, (uint32_t)a.inputs * counters_of(a.used));
  take_results(args, biases);
}

template <class Rule, class T>
void measure_edges(UpdateArgs<T>& args) {
  using V = Register<T>;
  constexpr int kPieces = Lanes<T>::width / V::width;
  const UpdateArgs<T> a = args;
  auto c = make_context<Rule, true, false, V>(a);
  Targets<V> to(*a.edges, a.used);
  for (int i = 0; i < a.row_count; ++i) {
    const int at = a.rows[i];
    const V x(a.x[at]), square = x * x;
    T* const row = a.weights + at * a.row_stride;
    to.start(at);
    V dot[kPieces], squared_dot[kPieces], parts[kMaxSums][kPieces];
    for (int p = 0; p < kPieces; ++p) dot[p] = squared_dot[p] = V(0);
    clear_parts<Rule>(parts);
    for (int j = 0; j < a.used; j += V::width) {
      const int p = j / V::width % kPieces;
      const V w = load_register(row + j), delta = to.load(a.delta, j);
      V d(0);
      dot[p] = fma(w, delta, dot[p]);
      if constexpr (Rule::uses_sensitivity) {
        const V s = to.load(a.sensitivity, j);
        squared_dot[p] = fma(w * w, s, squared_dot[p]);
        d = square * s;
      }
      for (int k = 0; k < Rule::clock_count; ++k)
        c.correction[k] = max(V(a.row_correction[k][at]), to.load(a.column_correction[k], j));
      find_anchor(a, c, row + j);
      measure_register<Rule>(row + j, a.columns, w, OuterProduct<V>{x, delta}, d, c, args.cancelled);
      mask_parts<Rule, V>(c, j, a.used);
      if constexpr (kOfUnits<Rule>) to.template add<Rule>(a.unit_sums, c.part[0], j);
      else
        for (int k = 0; k < Rule::sums.count; ++k) parts[k][p] = with_part<Rule>(parts[k][p], c.part[k]);
    }
    a.input_delta[at] = sum(join(dot));
    if constexpr (Rule::uses_sensitivity) a.input_sensitivity[at] = sum(join(squared_dot));
    if constexpr (!kOfUnits<Rule>)
      for (int k = 0; k < Rule::sums.count; ++k) a.row_sums[k][at] = total_of<Rule>(join(parts[k]));
  }
  UpdateArgs<T> biases = of_bias(args);
  const UpdateArgs<T> b = biases;
  measure_bias<Rule>(b, biases, c);
  take_results(args, biases);
}

STREAMDL_END
