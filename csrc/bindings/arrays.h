// Reads and makes Python's arrays. Read is anything with the buffer protocol as it is where type and layout allow it, all
// else through streamdl._arrays, which converts as np.asarray does and names what is wrong.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include <numpy/ndarraytypes.h>

#include <cstring>
#include <string>
#include <vector>

namespace streamdl {

namespace nb = nanobind;

// A buffer that is released with its owner.
struct Buffer {
  Py_buffer view{};
  bool held = false;
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { release(); }
  bool take(PyObject* o) {
    if (!PyObject_CheckBuffer(o)) return false;
    if (PyObject_GetBuffer(o, &view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) != 0) {
      PyErr_Clear();
      return false;
    }
    return held = true;
  }
  void release() {
    if (held) PyBuffer_Release(&view);
    held = false;
  }
  bool is(char code, size_t size) const {
    return view.format && view.format[0] == code && !view.format[1] && (size_t)view.itemsize == size &&
           (uintptr_t)view.buf % size == 0;
  }
};

// A NumPy array of this type, aligned and in C order, is read straight from its fields: asking for its
// buffer would cost more than a small network's whole step.
template <class T>
inline const PyArrayObject* plain_array(PyObject* o) {
  static PyTypeObject* const type =
      reinterpret_cast<PyTypeObject*>(nb::object(nb::module_::import_("numpy").attr("ndarray")).release().ptr());
  if (Py_TYPE(o) != type) return nullptr;
  const auto* array = reinterpret_cast<const PyArrayObject*>(o);
  const int wanted = sizeof(T) == 4 ? NPY_FLOAT : NPY_DOUBLE, flags = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED;
  const auto* descr = PyArray_DESCR(const_cast<PyArrayObject*>(array));
  if (descr->type_num != wanted || descr->byteorder == '>' || (PyArray_FLAGS(array) & flags) != flags) return nullptr;
  return array;
}

// The same for integers of 32 or 64 bits in one dimension.
inline const void* plain_integers(PyObject* o, bool* wide, size_t* count) {
  static PyTypeObject* const type =
      reinterpret_cast<PyTypeObject*>(nb::object(nb::module_::import_("numpy").attr("ndarray")).release().ptr());
  if (Py_TYPE(o) != type) return nullptr;
  auto* array = reinterpret_cast<PyArrayObject*>(o);
  const int flags = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED;
  const auto* descr = PyArray_DESCR(array);
  *wide = descr->type_num == NPY_INT64 || descr->type_num == NPY_LONGLONG;
  if ((!*wide && descr->type_num != NPY_INT32) || descr->byteorder == '>' || PyArray_NDIM(array) != 1 ||
      (PyArray_FLAGS(array) & flags) != flags)
    return nullptr;
  *count = (size_t)PyArray_DIMS(array)[0];
  return PyArray_DATA(array);
}

// What a quick call that cannot be quick does instead.
inline PyObject* call_general(PyObject* general, PyObject* self, PyObject* const* args, Py_ssize_t count,
                              PyObject* names) {
  std::vector<PyObject*> all(args, args + count + (names ? PyTuple_GET_SIZE(names) : 0));
  all.insert(all.begin(), self);
  return PyObject_Vectorcall(general, all.data(), (size_t)count + 1, names);
}

// A new array, and where its numbers are to be written.
template <class T>
nb::object array_of(std::vector<size_t> shape, T** data) {
  size_t count = 1;
  for (size_t s : shape) count *= s;
  *data = new T[count ? count : 1];
  nb::capsule owner(*data, [](void* p) noexcept { delete[] static_cast<T*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, T>(*data, shape.size(), shape.data(), owner));
}

inline nb::object converted(nb::handle o, const char* type, const char* name) {
  static PyObject* convert = nullptr;  // kept for the life of the interpreter
  if (!convert) convert = nb::object(nb::module_::import_("streamdl._arrays").attr("convert")).release().ptr();
  return nb::handle(convert)(o, type, name);
}

// Numbers of one type, borrowed or converted.
template <class T>
struct Vector {
  const T* data = nullptr;
  static constexpr char code = sizeof(T) == 4 ? 'f' : 'd';

  // One example of n numbers, of any shape.
  void read(nb::handle o, size_t n, const char* name) {
    take(o, name);
    if (count_ != n)
      throw nb::value_error(
          (std::string(name) + ": expected " + std::to_string(n) + " numbers, got " + shape()).c_str());
  }
  // n examples of `width` numbers each; returns n.
  size_t read_many(nb::handle o, int width, const char* name) {
    take(o, name);
    const size_t n = dimensions_ ? (size_t)sizes_[0] : 0;
    if (!dimensions_ || count_ != n * (size_t)width)
      throw nb::value_error(
          (std::string(name) + ": expected shape (n, " + std::to_string(width) + "), got " + shape()).c_str());
    return n;
  }

 private:
  void take(nb::handle o, const char* name) {
    if (const PyArrayObject* array = plain_array<T>(o.ptr())) {
      array_ = nb::borrow(o);
      data = static_cast<const T*>(PyArray_DATA(const_cast<PyArrayObject*>(array)));
      dimensions_ = PyArray_NDIM(array);
      sizes_ = PyArray_DIMS(const_cast<PyArrayObject*>(array));
      count_ = 1;
      for (int i = 0; i < dimensions_; ++i) count_ *= (size_t)sizes_[i];
      return;
    }
    if (!(buffer_.take(o.ptr()) && buffer_.is(code, sizeof(T)))) {
      buffer_.release();
      array_ = converted(o, sizeof(T) == 4 ? "float32" : "float64", name);
      if (!buffer_.take(array_.ptr())) throw nb::type_error((std::string(name) + ": not an array").c_str());
    }
    data = static_cast<const T*>(buffer_.view.buf);
    dimensions_ = buffer_.view.ndim;
    sizes_ = buffer_.view.shape;
    count_ = (size_t)buffer_.view.len / sizeof(T);
  }
  std::string shape() const {
    std::string text = "shape (";
    for (int i = 0; i < dimensions_; ++i) text += (i ? ", " : "") + std::to_string(sizes_[i]);
    return text + ")";
  }
  nb::object array_;
  Buffer buffer_;
  int dimensions_ = 0;
  const Py_ssize_t* sizes_ = nullptr;
  size_t count_ = 0;
};

// Class indices of n examples.
struct Labels {
  std::vector<int64_t> data;
  void read(nb::handle o, size_t n) {
    nb::object array = converted(o, "labels", "ys");
    Buffer buffer;
    if (!buffer.take(array.ptr())) throw nb::type_error("ys: not an array");
    if ((size_t)buffer.view.len != n * sizeof(int64_t) || buffer.view.ndim != 1)
      throw nb::value_error(("ys: expected " + std::to_string(n) + " class indices, one per example, got " +
                             std::to_string(buffer.view.len / 8))
                                .c_str());
    data.resize(n);
    std::memcpy(data.data(), buffer.view.buf, buffer.view.len);
  }
};

}  // namespace streamdl
