// What the test of the lane types runs on every instruction set: one table of operations.
//
// An operation reads a block of four vectors (a, b, c of any bits, n of whole numbers) and writes
// up to eight. lanes_set.cpp is compiled once per instruction set and exports two LaneSets:
// `lane_set` runs on the vector type, `plain_set` on a plain float or double, one lane after the
// other.
#pragma once

#include <cstdint>

// Results that are one vector, lane by lane; they also run on a plain number.
// clang-format off
#define LANE_OPERATIONS(X)                        \
  X(total, a + b)                                 \
  X(difference, a - b)                            \
  X(product, a * b)                               \
  X(quotients, a / b)                             \
  X(negative, -a)                                 \
  X(fused_multiply_add, fma(a, b, c))             \
  X(fused_negated, fnma(a, b, c))                 \
  X(fused_subtract, fms(a, b, c))                 \
  X(square_root, sqrt(a))                         \
  X(absolute, abs(a))                             \
  X(lesser, min(a, b))                            \
  X(greater, max(a, b))                           \
  X(sign_copied, copysign(a, b))                  \
  X(rounded, round(a))                            \
  X(scaled, scale(a, n))                          \
  X(split_fraction, split(a, unused))             \
  X(split_exponent, second_of_split(a))           \
  X(select_less, select(a < b, c, n))             \
  X(select_less_equal, select(a <= b, c, n))      \
  X(select_greater, select(a > b, c, n))          \
  X(select_greater_equal, select(a >= b, c, n))   \
  X(select_equal, select(a == b, c, n))           \
  X(select_unequal, select(a != b, c, n))         \
  X(exponential, exp(a))                          \
  X(both_masks, select((a < b) & (b != c), c, n)) \
  X(flushed_to_zero, flushed(a))                  \
  X(quotient_of_two, quotient(a, b))              \
  X(quotient_of_sizes, quotient(a, abs(b)))       \
  X(grown_by_exponential, grown(a, b, c))         \
  X(grown_little, grown_a_little(a, b, c))        \
  X(logarithm, log(abs(a)))                       \
  X(logarithm_signed, log(a))                     \
  X(hyperbolic_tangent, tanh(a))                  \
  X(logistic, sigmoid(a))                         \
  X(soft_plus, softplus(a))                       \
  X(error_function, erf(a))
// clang-format on

// Results that belong to a whole vector.
#define VECTOR_OPERATIONS(X) X(sums) X(four_sums) X(maxima) X(masks) X(firsts) X(positions) X(picked) X(scattered)

// Only for float.
#define FLOAT_OPERATIONS(X) X(widened) X(philox_words) X(normal_pairs)

#define OPERATION_NAME(name, ...) name,
enum Operation : int {
  LANE_OPERATIONS(OPERATION_NAME) VECTOR_OPERATIONS(OPERATION_NAME) FLOAT_OPERATIONS(OPERATION_NAME) operation_count
};
#undef OPERATION_NAME

inline constexpr int kVectorsIn = 4, kVectorsOut = 8;

struct LaneSet {
  const char* name;
  // in: blocks x 4 vectors, out: blocks x 8 vectors, zero beforehand.
  void (*run_float)(Operation operation, const float* in, float* out, int blocks);
  void (*run_double)(Operation operation, const double* in, double* out, int blocks);
};
