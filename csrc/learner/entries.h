// The named arrays and hyper-parameters of a state: what views, checkpoints and hashes are made from.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace streamdl {

enum class Type { f32, f64, u64, i32 };
inline size_t bytes_of(Type type) { return type == Type::f32 || type == Type::i32 ? 4 : 8; }

// One named array of the state: strides in bytes, since rows are padded and fields interleaved, and the weights of
// few outputs transposed.
struct FieldEntry {
  std::string name;
  Type type;
  std::vector<size_t> shape;
  std::vector<size_t> strides;
  size_t offset;
  bool parameter;
  bool fixed = false;  // it may be looked at, not written: kernels go where it says

  // Calls f(offset in the state, offset in C order, bytes) for each piece that lies together.
  template <class F>
  void each_piece(F f) const {
    const size_t size = bytes_of(type), columns = shape.back();
    size_t rows = 1;  // all axes but the last: what they index is evenly spaced
    for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
    const size_t stride = shape.size() > 1 ? strides[shape.size() - 2] : 0;
    if (shape.size() > 1 && strides.back() == size && stride == columns * size)
      return f(offset, (size_t)0, rows * columns * size);
    const size_t together = strides.back() == size ? columns : 1;
    for (size_t i = 0; i < rows; ++i)
      for (size_t k = 0; k < columns; k += together)
        f(offset + i * stride + k * strides.back(), (i * columns + k) * size, together * size);
  }
};

struct Named {
  std::string name;
  double low, high;
  bool low_open, high_open;
  const char* only_zero = nullptr;  // where every other value is refused: the reason
  bool whole = false;               // a whole number
  bool none = false;                // and may be 0, which stands for None
};

// Why a hyper-parameter cannot have this value, or nothing; `twice` in float64.
std::string wrong_value(const Named& h, double value, bool twice);

}  // namespace streamdl
