#!/usr/bin/env bash
# Builds and runs the tests of the C++ floors, without Python: tests/csrc/run.sh [BUILD FOLDER]
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-$(mktemp -d)}
mkdir -p "$build"
flags="-std=c++20 -O2 -ffp-contract=off -fno-math-errno -Icsrc -Itests/csrc"
learner="csrc/learner/sha256.cpp csrc/learner/file.cpp csrc/learner/safetensors*.cpp"
for test in sha256 safetensors file failures; do
  g++ $flags tests/csrc/learner/test_$test.cpp $learner -o "$build/test_$test"
  "$build/test_$test"
done
g++ $flags tests/csrc/learner/test_threads.cpp csrc/learner/threads.cpp -pthread -o "$build/test_threads"
"$build/test_threads"
g++ $flags -g -fsanitize=address,undefined -fno-sanitize-recover=undefined \
  tests/csrc/learner/fuzz_container.cpp $learner -o "$build/fuzz_container"
"$build/fuzz_container" "${FUZZ_FILES:-100000}" 1

lanes="tests/csrc/math/lanes_set.cpp"
g++ $flags -O3 -DSTREAMDL_ISA=scalar -c $lanes -o "$build/scalar.o"
sets="$build/scalar.o"
if [ "$(uname -m)" = x86_64 ]; then
  g++ $flags -O3 -DSTREAMDL_ISA=avx2 -DSTREAMDL_USE_AVX2 -mavx2 -mfma -c $lanes -o "$build/avx2.o"
  g++ $flags -O3 -DSTREAMDL_ISA=avx512 -DSTREAMDL_USE_AVX512 -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma \
    -c $lanes -o "$build/avx512.o"
  sets="$sets $build/avx2.o $build/avx512.o -DTEST_AVX2 -DTEST_AVX512"
fi
g++ $flags -O3 tests/csrc/math/test_lanes.cpp $sets -o "$build/test_lanes"
"$build/test_lanes"
g++ $flags -O3 tests/csrc/math/test_elementary.cpp -o "$build/test_elementary"
"$build/test_elementary"

# The core alone, without Python: 0 allocations in step, of every learner.
# An editable install leaves one behind.
core=$(ls -t build/*/libstreamdl_core.a 2> /dev/null | head -1 || true)
if [ -z "$core" ] || [ -n "$(find csrc CMakeLists.txt -newer "$core" -type f | head -1)" ]; then
  cmake -S . -B "$build/core" -DSTREAMDL_PYTHON=OFF -DCMAKE_BUILD_TYPE=Release > /dev/null
  cmake --build "$build/core" -j2 > /dev/null
  core="$build/core/libstreamdl_core.a"
fi
g++ $flags tests/csrc/learner/test_allocation.cpp "$core" -pthread -o "$build/test_allocation"
"$build/test_allocation" "${ALLOCATION_STEPS:-1000}"
g++ $flags tests/csrc/agents/test_linear_td_allocation.cpp "$core" -pthread \
  -o "$build/test_linear_td_allocation"
"$build/test_linear_td_allocation" "${ALLOCATION_STEPS:-1000}"
