// What Python gives as inputs: an array or (indices, values) for one; an array or rows of a sparse matrix for many.
#pragma once

#include <string>

#include "bindings/arrays.h"
#include "learner/input.h"

namespace streamdl {

// Integers of one dimension, borrowed where they have 32 or 64 bits.
class Integers {
 public:
  const void* data = nullptr;
  bool wide = true;
  size_t count = 0;

  void read(nb::handle o, const std::string& name) {
    if ((data = plain_integers(o.ptr(), &wide, &count))) {
      array_ = nb::borrow(o);
      return;
    }
    wide = true;
    array_ = converted(o, "labels", name.c_str());
    if (!buffer_.take(array_.ptr()) || buffer_.view.ndim != 1)
      throw nb::value_error((name + ": expected one dimension, got " + std::to_string(buffer_.view.ndim)).c_str());
    data = buffer_.view.buf;
    count = (size_t)buffer_.view.len / 8;
  }
  int64_t operator[](size_t i) const {
    return wide ? static_cast<const int64_t*>(data)[i] : static_cast<const int32_t*>(data)[i];
  }
  const void* from(size_t i) const { return static_cast<const char*>(data) + i * (wide ? 8 : 4); }

 private:
  nb::object array_;
  Buffer buffer_;
};

// Whether it has a length, as arrays of no dimension have not.
inline bool has_length(PyObject* o) {
  if (PyObject_Size(o) >= 0) return true;
  PyErr_Clear();
  return false;
}

inline bool is_array(PyObject* o) {
  return PyObject_CheckBuffer(o) || PyObject_HasAttrString(o, "__dlpack__") || PyObject_HasAttrString(o, "__array__");
}

// Whether x is (indices, values) and not a tuple of two numbers.
inline bool sparse_pair(nb::handle x) {
  if (!PyTuple_Check(x.ptr()) || PyTuple_GET_SIZE(x.ptr()) != 2) return false;
  PyObject* first = PyTuple_GET_ITEM(x.ptr(), 0);
  if (!PySequence_Check(first) && !is_array(first)) return false;
  return has_length(first) || !PyObject_HasAttrString(first, "__float__");
}

// Whether xs is (indptr, indices, values): three arrays, where rows of numbers would be lists or one array.
inline bool sparse_rows(nb::handle xs) {
  if (!PyTuple_Check(xs.ptr()) || PyTuple_GET_SIZE(xs.ptr()) != 3) return false;
  for (int i = 0; i < 3; ++i) {
    PyObject* o = PyTuple_GET_ITEM(xs.ptr(), i);
    if (!is_array(o) || !has_length(o)) return false;
  }
  return true;
}

// A matrix of scipy.sparse, or what behaves as one.
inline bool sparse_matrix(nb::handle o) { return PyObject_HasAttrString(o.ptr(), "tocsr"); }

// n inputs.
template <class T>
class ManyInputs {
 public:
  bool sparse = false;

  // Returns how many there are.
  size_t read(nb::handle o, int width, const std::string& name) {
    width_ = (size_t)width;
    if (plain_array<T>(o.ptr())) return values_.read_many(o, width, name.c_str());
    if (sparse_rows(o)) {
      auto item = [&](int i) { return nb::handle(PyTuple_GET_ITEM(o.ptr(), i)); };
      return read_rows(item(0), item(1), item(2), name + "[0] (indptr)", name + "[1] (indices)", name + "[2] (values)");
    }
    if (sparse_matrix(o)) {
      const nb::object rows = o.attr("tocsr")(), shape = rows.attr("shape");
      const int64_t columns = nb::cast<int64_t>(shape[nb::len(shape) - 1]);
      if (columns != width)
        throw nb::value_error(
            (name + ": expected " + std::to_string(width) + " columns, got " + std::to_string(columns)).c_str());
      return read_rows(rows.attr("indptr"), rows.attr("indices"), rows.attr("data"), name + ".indptr",
                       name + ".indices", name + ".data");
    }
    return values_.read_many(o, width, name.c_str());
  }

  Input<T> operator[](size_t i) const {
    if (!sparse) return {values_.data + i * width_};
    const size_t begin = (size_t)starts_[i];
    return {values_.data + begin, indices_.from(begin), indices_.wide, (size_t)starts_[i + 1] - begin};
  }

 private:
  size_t read_rows(nb::handle starts, nb::handle indices, nb::handle values, const std::string& starts_name,
                   const std::string& indices_name, const std::string& values_name) {
    sparse = true;
    starts_.read(starts, starts_name);
    indices_.read(indices, indices_name);
    values_.read(values, indices_.count, values_name.c_str());
    auto refuse = [&](const std::string& expected, const std::string& got) {
      throw nb::value_error((starts_name + ": expected " + expected + ", got " + got).c_str());
    };
    if (!starts_.count) refuse("one more offset than there are examples", "none");
    if (starts_[0] != 0) refuse("offsets that begin at 0", std::to_string(starts_[0]));
    const size_t n = starts_.count - 1;
    for (size_t i = 0; i < n; ++i)
      if (starts_[i] > starts_[i + 1])
        refuse("offsets that never fall", std::to_string(starts_[i]) + " before " + std::to_string(starts_[i + 1]));
    if (starts_[n] > (int64_t)indices_.count)
      refuse("offsets up to " + std::to_string(indices_.count) + ", as many as there are indices",
             std::to_string(starts_[n]));
    return n;
  }

  Vector<T> values_;
  Integers starts_, indices_;
  size_t width_ = 0;
};

// One input, converted where it must be.
template <class T>
class AnyInput {
 public:
  Input<T> read(nb::handle o, int width) {
    if (sparse_pair(o)) {
      indices_.read(nb::handle(PyTuple_GET_ITEM(o.ptr(), 0)), "x[0] (indices)");
      values_.read(nb::handle(PyTuple_GET_ITEM(o.ptr(), 1)), indices_.count, "x[1] (values)");
      return {values_.data, indices_.data, indices_.wide, indices_.count};
    }
    if (!PyTuple_Check(o.ptr()) && sparse_matrix(o)) {
      const size_t rows = row_.read(o, width, "x");
      if (rows != 1) throw nb::value_error(("x: expected one row, got " + std::to_string(rows)).c_str());
      return row_[0];
    }
    values_.read(o, width, "x");
    return {values_.data};
  }

 private:
  Vector<T> values_;
  Integers indices_;
  ManyInputs<T> row_;
};

// The usual inputs, as they lie; false in every other case.
template <class T>
bool quick_input(PyObject* o, int width, Input<T>* x) {
  size_t n;
  auto borrowed = [&n](PyObject* from) -> const T* {
    const PyArrayObject* array = plain_array<T>(from);
    if (!array || PyArray_NDIM(array) != 1) return nullptr;
    n = (size_t)PyArray_DIMS(const_cast<PyArrayObject*>(array))[0];
    return static_cast<const T*>(PyArray_DATA(const_cast<PyArrayObject*>(array)));
  };
  if (!PyTuple_CheckExact(o)) {
    x->values = borrowed(o);
    return x->values && n == (size_t)width;
  }
  if (PyTuple_GET_SIZE(o) != 2) return false;
  x->indices = plain_integers(PyTuple_GET_ITEM(o, 0), &x->wide, &x->count);
  x->values = x->indices ? borrowed(PyTuple_GET_ITEM(o, 1)) : nullptr;
  return x->values && n == x->count;
}

// The index at `place` of a sparse input, for a message.
template <class T>
std::string index_at(const Input<T>& x, size_t place) {
  return std::to_string(x.wide ? static_cast<const int64_t*>(x.indices)[place]
                               : (int64_t)static_cast<const int32_t*>(x.indices)[place]);
}

}  // namespace streamdl
