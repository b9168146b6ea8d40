// An empty step on the raw C API: METH_FASTCALL and the buffer protocol.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject* step(PyObject*, PyObject* const* args, Py_ssize_t count) {
  if (count != 2) {
    PyErr_SetString(PyExc_TypeError, "step(x, y)");
    return nullptr;
  }
  const double y = PyFloat_AsDouble(args[1]);
  if (y == -1.0 && PyErr_Occurred()) return nullptr;
  Py_buffer view;
  if (PyObject_GetBuffer(args[0], &view, PyBUF_FORMAT | PyBUF_STRIDES) != 0) return nullptr;
  const bool good =
      view.ndim == 1 && view.itemsize == 4 && view.format[0] == 'f' && view.strides[0] == 4 && view.shape[0] == 20;
  const float first = good ? static_cast<const float*>(view.buf)[0] : 0.0f;
  PyBuffer_Release(&view);
  if (!good) {
    PyErr_SetString(PyExc_ValueError, "x: expected 20 float32");
    return nullptr;
  }
  return PyFloat_FromDouble(first + y);
}

static PyMethodDef methods[] = {
    {"step", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(step)), METH_FASTCALL, nullptr},
    {nullptr, nullptr, 0, nullptr}};
static PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "c_api_step", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

PyMODINIT_FUNC PyInit_c_api_step() { return PyModule_Create(&module); }
