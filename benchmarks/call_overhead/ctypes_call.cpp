// An empty step for ctypes: no Python in it.
extern "C" double step(const float* x, long count, double y) { return count == 20 ? x[0] + y : 0; }
