// An empty step bound with nanobind: a typed array argument, or the buffer protocol by hand.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <stdexcept>

namespace nb = nanobind;
using Input = nb::ndarray<const float, nb::ndim<1>, nb::device::cpu, nb::c_contig>;

NB_MODULE(nanobind_step, m) {
  m.def("ndarray", [](Input x, double y) {
    if (x.shape(0) != 20) throw std::invalid_argument("x: expected 20 float32");
    return x.data()[0] + y;
  });
  m.def("buffer", [](nb::handle x, double y) {
    Py_buffer view;
    if (PyObject_GetBuffer(x.ptr(), &view, PyBUF_FORMAT | PyBUF_STRIDES) != 0) {
      throw nb::python_error();
    }
    const bool good =
        view.ndim == 1 && view.itemsize == 4 && view.format[0] == 'f' && view.strides[0] == 4 && view.shape[0] == 20;
    const float first = good ? static_cast<const float*>(view.buf)[0] : 0.0f;
    PyBuffer_Release(&view);
    if (!good) throw std::invalid_argument("x: expected 20 float32");
    return first + y;
  });
}
