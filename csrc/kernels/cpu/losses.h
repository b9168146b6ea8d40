// Losses of the output vector: the loss before the update, delta = dL/d(output), and its curvature.
#pragma once

#include "kernels/cpu/units.h"

STREAMDL_BEGIN

template <class T>
LossResult<T> finish(const T* output, int n, T* delta, T* curvature, T loss) {
  using V = Lanes<T>;
  if (n % V::width) {
    clear_padding(delta, n);
    if (curvature) clear_padding(curvature, n);
  }
  V most(0);
  bool finite = abs(loss) <= kFinite<T>;
  for (int j = 0; j < n; j += V::width) {
    const V magnitude = abs(load(delta + j));
    finite &= all(magnitude <= V(kFinite<T>)) && all(abs(load(output + j)) <= V(kFinite<T>));
    most = max(magnitude, most);
  }
  return {finite, (double)loss, maximum(most)};
}

// A loss that is a sum over outputs: adds one vector of it, with delta and curvature.
template <class L, class T>
LossResult<T> elementwise_loss(const T* output, const T* target, int, int n, T* delta, T* curvature) {
  using V = Lanes<T>;
  if (n == 1) {  // no sums across lanes; the zeros behind stay
    T d, c;
    const T z = output[0], loss = L::value(z, target[0], d, c);
    store(delta, keep_first(V(d), 1));
    if (curvature) store(curvature, keep_first(V(c), 1));
    return {abs(d) <= kFinite<T> && abs(z) <= kFinite<T> && abs(loss) <= kFinite<T>, (double)loss, abs(d)};
  }
  V total(0), most(0), worst(0);
  for (int j = 0; j < n; j += V::width) {
    V d, c;
    const V z = load(output + j);
    const V y = j + V::width <= n ? load(target + j) : load_first(target + j, n - j);
    total = total + keep_first(L::value(z, y, d, c), n - j);
    d = keep_first(d, n - j);
    store(delta + j, d);
    if (curvature) store(curvature + j, keep_first(c, n - j));
    most = max(abs(d), most);
    worst = fma(V(0), d, fma(V(0), z, worst));  // NaN where one is not finite
  }
  const T loss = sum(total);
  return {all(worst == V(0)) && abs(loss) <= kFinite<T>, (double)loss, maximum(most)};
}

// 1/2 (z - y)^2
struct SquaredError {
  template <class V> STREAMDL_HD static V value(V z, V y, V& delta, V& curvature) {
    delta = z - y;
    curvature = V(1);
    return V((Number<V>)0.5) * (delta * delta);
  }
};
// log(1 + exp z) - y z, on logits
struct BinaryCrossEntropy {
  template <class V> STREAMDL_HD static V value(V z, V y, V& delta, V& curvature) {
    const V p = sigmoid(z);
    delta = p - y;
    curvature = p * (V(1) - p);
    return softplus(z) - y * z;
  }
};
// 1/2 e^2 within |e| < 1, |e| - 1/2 beyond
struct Huber {
  template <class V> STREAMDL_HD static V value(V z, V y, V& delta, V& curvature) {
    const V e = z - y, size = abs(e), half((Number<V>)0.5);
    const auto within = size < V(1);
    delta = select(within, e, copysign(V(1), e));
    curvature = select(within, V(1), V(0));
    return select(within, half * (e * e), size - half);
  }
};

// -log softmax(z)[label]
template <class T>
LossResult<T> cross_entropy(const T* output, const T*, int label, int n, T* delta, T* curvature) {
  using V = Lanes<T>;
  T most = output[0];
  for (int k = 1; k < n; ++k) most = max(output[k], most);
  for (int j = 0; j < n; j += V::width) store(delta + j, exp(load(output + j) - V(most)));
  clear_padding(delta, n);
  const T total = sum_of(delta, n);
  const V inverse(T(1) / total);
  for (int j = 0; j < n; j += V::width) {
    const V p = load(delta + j) * inverse;
    store(delta + j, p);
    if (curvature) store(curvature + j, p * (V(1) - p));
  }
  delta[label] = delta[label] - T(1);
  return finish(output, n, delta, curvature, log(total) + (most - output[label]));
}

STREAMDL_END
