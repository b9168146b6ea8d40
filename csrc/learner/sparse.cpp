// Sparse layers: where their edges lead at first, and how these move.
#include <algorithm>
#include <cmath>

#include "learner/learner.h"

namespace streamdl {

using Table = base::Rewiring;

// Every unit's edges lead to distinct places, ascending, each set of them equally probable (Floyd's sampling).
template <class T>
void LearnerOf<T>::wire(const Dense& d, uint32_t place) {
  const int blocks = d.blocks(), places = d.places();
  double* draws = drawn_[0].data();
  std::vector<bool> taken(places);
  for (int j = 0; j < d.inputs; ++j) {
    const uint32_t counter[4] = {0, (uint32_t)j, 0, (uint32_t)kWire << 24 | place};
    kernels_.uniforms(draws, nullptr, blocks, counter, key().data());
    std::fill(taken.begin(), taken.end(), false);
    for (int b = 0; b < blocks; ++b) {
      const int last = places - blocks + b, drawn = (int)(draws[b] * (last + 1));
      taken[taken[drawn] ? last : drawn] = true;
    }
    int32_t* target = targets(d, j);
    for (int k = 0; k < places; ++k)
      if (taken[k]) *target++ = k * d.block;
  }
}

// A sparse layer's first edges, weights and biases.
template <class T>
void LearnerOf<T>::draw_edges(const Dense& d, uint32_t place) {
  wire(d, place);
  double *first = drawn_[0].data(), *second = drawn_[1].data();
  for (int i = 0; i < d.vectors && d.init != Init::zeros; ++i) {
    if (i + 1 == d.vectors && !draws_bias(d)) continue;
    const int n = d.length_of(i);
    const uint32_t counter[4] = {0, (uint32_t)i, 0, (uint32_t)kInitial << 24 | place};
    kernels_.uniforms(first, second, n, counter, key().data());
    for (int k = 0; k < n; ++k) vector(d, i)[k] = (T)draw_weight(d, first[k], second[k]);
  }
}

//---------------------------------------------------------------------------- rewiring

// Utilities of the edges, from this example and the weights after its update.
template <class T>
void LearnerOf<T>::track_edges(const MethodInfo& method) {
  const T decay = (T)hyper()[method.hyper + base::EdgeUtility::decay];
  for (size_t l = 0; l < plan_->dense.size(); ++l) {
    const Dense& d = plan_->dense[l];
    const Scratch& in = scratch_[l];
    if (!d.edges) continue;
    kernels_.edge_utility({vector(d, 0), (ptrdiff_t)d.row_stride, d.worth, d.edges, in.listed ? in.active : in.all,
                           in.count, value((int)l), scratch_[l + 1].delta, decay, &calls_[l].edges});
  }
}

// Rows whose turn it is: see rules/plasticity/rewiring.h.
template <class T>
void LearnerOf<T>::rewire(const MethodInfo& method) {
  if (method.kind == Method::EdgeUtility) track_edges(method);
  const uint64_t period = (uint64_t)std::min(hyper()[method.hyper + Table::period], 1e18);
  const uint64_t first = *block_->at<uint64_t>(plan_->updates) % period;
  const bool by_gradient = method.kind == Method::RigL;
  for (size_t l = 0; l < plan_->dense.size(); ++l) {
    const Dense& d = plan_->dense[l];
    bool ranked = false;
    for (uint64_t j = first; d.edges && j < (uint64_t)d.inputs; j += period) {
      if (by_gradient && value((int)l)[j] == T(0)) continue;
      if (by_gradient && !ranked) {  // x_j is the same for all edges of a unit: |delta| decides
        const T* delta = scratch_[l + 1].delta;
        rewirer_->rank(d, [&](int place) {
          double score = 0;
          for (int k = place * d.block; k < (place + 1) * d.block; ++k) score += std::abs((double)delta[k]);
          return score;
        });
        ranked = true;
      }
      rewire_row(method, (int)l, (int)j);
    }
  }
}

template <class T>
void LearnerOf<T>::rewire_row(const MethodInfo& method, int l, int j) {
  const Dense& d = plan_->dense[l];
  const double fraction = hyper()[method.hyper + Table::fraction];
  const int wanted = fraction > 0 ? std::max(1, (int)(fraction * d.blocks())) : 0;
  const int most = std::min(wanted, d.places() - d.blocks());
  int32_t* const target = targets(d, j);
  rewirer_->hold(target, d);
  if (method.kind == Method::RigL) {
    rewirer_->grow_ranked(most);
  } else {
    const uint64_t now = *block_->at<uint64_t>(plan_->updates);
    const uint32_t counter[4] = {(uint32_t)j * (uint32_t)padded<float>(d.blocks()), (uint32_t)now,
                                 (uint32_t)(now >> 32), (uint32_t)kWire << 24 | (uint32_t)l};
    kernels_.uniforms(drawn_[0].data(), nullptr, most, counter, key().data());
    rewirer_->grow_at_random(most, drawn_[0].data());
  }
  T* const row = vector(d, j);
  const T* const worth = method.kind == Method::EdgeUtility ? row + d.worth : row;
  const auto& dropped = rewirer_->drop(d, [&](int b) {
    double sum = 0;
    for (int e = b * d.block; e < (b + 1) * d.block; ++e) sum += std::abs((double)worth[e]);
    return sum;
  });
  for (size_t i = 0; i < dropped.size(); ++i) {
    const int b = dropped[i].second;
    target[b] = rewirer_->grown()[i] * d.block;
    for (T* w = row + b * d.block; w < row + (b + 1) * d.block; ++w) {
      *w = T(0);
      set_start(w, d.columns);
      start_at(w, 1, d.columns, d.slow);
      if (d.anchor) w[d.anchor] = T(0);
      if (d.worth) w[d.worth] = T(0);
    }
  }
  widen_bounds(l, T(0));
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
