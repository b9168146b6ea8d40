"""W2 with NumPy and BLAS, every array written in place."""

from benchmarks.common.numpy_network import VARIANTS, build

__all__ = ["VARIANTS", "build"]
