"""W1 in C++ with Eigen, a block of examples per call; zeros skipped or not."""

from benchmarks.common.eigen_network import VARIANTS, build

__all__ = ["VARIANTS", "build"]
