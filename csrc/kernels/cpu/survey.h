// A look at a sparse input, in plain loops over whole numbers that compilers turn into vectors.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/cpu/dense.h"

STREAMDL_BEGIN

template <class I, class T>
SparseSurvey<T> survey(const I* indices, const T* values, size_t count, int features, int32_t* rows, T* copy) {
  using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  I falls = 0;
  for (size_t i = 1; i < count; ++i) falls |= (I)(indices[i - 1] >= indices[i]);
  const bool fits = count == 0 || (indices[0] >= 0 && indices[count - 1] < (I)features);
  // Magnitudes are ordered as their bits are, NaN above infinity.
  Bits most = 0, least = ~(Bits)0;
  for (size_t i = 0; i < count; ++i) {
    Bits bits;
    __builtin_memcpy(&bits, values + i, sizeof(T));
    bits = (Bits)(bits << 1) >> 1;
    most = most > bits ? most : bits;
    least = least < bits ? least : bits;
  }
  SparseSurvey<T> s{falls == 0 && fits, false, least != 0, T(0)};
  __builtin_memcpy(&s.largest, &most, sizeof(T));
  s.finite = s.largest <= kFinite<T>;
  if (!s.ascending) return s;
  for (size_t i = 0; i < count; ++i) rows[i] = (int32_t)indices[i];
  if (copy)
    for (size_t i = 0; i < count; ++i) copy[i] = values[i];
  return s;
}

STREAMDL_END
