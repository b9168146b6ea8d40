// An empty step bound with pybind11's array_t.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <stdexcept>

namespace py = pybind11;

PYBIND11_MODULE(pybind11_step, m) {
  m.def("step", [](const py::array_t<float, py::array::c_style>& x, double y) {
    if (x.ndim() != 1 || x.shape(0) != 20) throw std::invalid_argument("x: expected 20 float32");
    return x.data()[0] + y;
  });
}
