// One input, as learners and agents are given it.
#pragma once

#include <cstddef>

namespace streamdl {

// Dense numbers, or `count` indices, of 32 or 64 bits in any order, and the values there. Without indices it is dense.
template <class T>
struct Input {
  const T* values;
  const void* indices = nullptr;
  bool wide = false;  // 64 bits
  size_t count = 0;
};

}  // namespace streamdl
