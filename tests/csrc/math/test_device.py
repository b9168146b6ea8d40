"""The formulas also compile as CUDA device code, for every GPU generation, without register spills.

Needs nvcc, but no GPU: the test reads what the assembler reports per kernel. Contraction is off, as
on the processor, because each formula must give the same bits on both.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[3]
ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)
ELEMENTARY = ("exp", "log", "tanh", "sigmoid", "softplus", "erf", "flushed")
NVCC = shutil.which("nvcc")

pytestmark = pytest.mark.skipif(NVCC is None, reason="nvcc is not installed")

FUNCTION_KERNEL = """
__global__ void {name}_of_{number}({number}* x) {{
  x[threadIdx.x] = streamdl::base::{name}(x[threadIdx.x]);
}}
"""

NORMALS_KERNEL = """
__global__ void normals_of_float(float* z, uint32_t step) {
  uint32_t words[4];
  streamdl::base::philox(threadIdx.x, step, 0u, 0u, 1u, 2u, words);
  streamdl::base::normals(words[0], words[1], z[2 * threadIdx.x], z[2 * threadIdx.x + 1]);
}
"""

# One weight of a dense layer at batch size 1, with both decays: what comes before the sums, where a rule
# has some, and the update.
PRELUDE = """
#include "rules/optimizers/list.h"
template <class Rule, class T, class G, class C>
__device__ void learn(T& w, const G& gradient, T sensitivity, T* f, C& context) {
  if constexpr (Rule::sums.before) Rule::measure(w, gradient, sensitivity, f, context);
  Rule::apply(w, gradient, sensitivity, f, context);
}
"""
RULE_KERNEL = """
__global__ void {label}_of_{number}({number}* w, {number}* fields, {number} x, {number}* delta,
                                    {number}* sensitivity,
                                    streamdl::base::Context<{number}, 16, true, false> context) {{
  using Rule = streamdl::base::{name};
  const int i = threadIdx.x;
  {number} f[Rule::field_count + 1];
  for (int k = 0; k < Rule::field_count; ++k) f[k] = fields[k * blockDim.x + i];
  const streamdl::base::OuterProduct<{number}> gradient{{x, delta[i]}};
  learn<Rule>(w[i], gradient, sensitivity[i], f, context);
  for (int k = 0; k < Rule::field_count; ++k) fields[k * blockDim.x + i] = f[k];
}}
"""


# One feature of a linear temporal-difference learner, with an input and without one.
TD_KERNEL = """
__global__ void {name}_of_{number}({number}* w, {number}* fields, {number}* x, {number}* constants, bool* alive) {{
  using Rule = streamdl::base::{name};
  const int i = threadIdx.x;
  constexpr int count = sizeof(Rule::fields) / sizeof(Rule::fields[0]);
  {number} f[count], sum[streamdl::base::kMaxTDSums] = {{}};
  for (int k = 0; k < count; ++k) f[k] = fields[k * blockDim.x + i];
  {apply}
  alive[i] = Rule::fade(w[i], f, constants);
  for (int k = 0; k < count; ++k) fields[k * blockDim.x + i] = f[k] + sum[0];
}}
"""
TD_APPLY = "Rule::apply(w[i], f, x[i], x[i + 1], constants);"
SWIFT_APPLY = """
  Rule::measure(w[i], f, x[i], x[i + 1], constants, sum);
  Rule::leave(w[i], f, constants);
  Rule::arrive<false>(f, x[i], x[i + 1], constants);
"""


def rules_of(header: Path) -> list[str]:
    """The update rules of a header: its structs that describe themselves."""
    return re.findall(
        r"struct (\w+)(?: : \w+)? \{\s+static constexpr Description", header.read_text()
    )


def rules() -> list[str]:
    """The update rules of the list; of those that differ in a number alone, the first and the last."""
    listed = re.findall(r"X\((\w+(?:<\d+>)?)\)", (TOP / "csrc/rules/optimizers/list.h").read_text())
    families: dict[str, list[str]] = {}
    for name in listed:
        families.setdefault(name.split("<")[0], []).append(name)
    return [name for names in families.values() for name in dict.fromkeys((names[0], names[-1]))]


def kernels(source: str, folder: Path) -> dict[str, int]:
    """Compile for all architectures; spilled bytes of every kernel and architecture."""
    assert NVCC is not None
    file = folder / "kernels.cu"
    file.write_text(source)
    targets = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in ARCHITECTURES]
    command = [NVCC, "-std=c++20", "-O3", "-fmad=false", "-Xptxas", "-v", "-Werror", "all-warnings"]
    command += ["--expt-relaxed-constexpr", f"-I{TOP / 'csrc'}", *targets, "-c", str(file)]
    run = subprocess.run(
        [*command, "-o", str(folder / "kernels.o")], capture_output=True, text=True, check=False
    )
    report = run.stdout + run.stderr
    assert run.returncode == 0, report
    found = re.findall(
        r"Compiling entry function '(\w+)' for 'sm_(\d+)\w*'"
        r".*?(\d+) bytes spill stores, (\d+) bytes spill loads",
        report,
        re.DOTALL,
    )
    return {f"{name} sm_{a}": int(stores) + int(loads) for name, a, stores, loads in found}


def check_no_spills(spilled: dict[str, int], count: int) -> None:
    assert len(spilled) == count * len(ARCHITECTURES), sorted(spilled)
    assert {name: size for name, size in spilled.items() if size} == {}


def test_elementary_functions(tmp_path: Path) -> None:
    source = '#include "math/elementary.h"\n#include "math/philox.h"\n' + NORMALS_KERNEL
    for name in ELEMENTARY:
        for number in ("float", "double"):
            source += FUNCTION_KERNEL.format(name=name, number=number)
    check_no_spills(kernels(source, tmp_path), 2 * len(ELEMENTARY) + 1)


@pytest.mark.parametrize("part", range(4))
def test_update_rules(part: int, tmp_path: Path) -> None:
    chosen = rules()[part::4]
    source = PRELUDE
    for name in chosen:
        for number in ("float", "double"):
            label = re.sub(r"\W", "_", name)
            source += RULE_KERNEL.format(name=name, number=number, label=label)
    check_no_spills(kernels(source, tmp_path), 2 * len(chosen))


@pytest.mark.parametrize(
    "header",
    [p for p in sorted((TOP / "csrc/rules/td").glob("*.h")) if p.name not in ("list.h", "table.h")],
    ids=lambda p: p.stem,
)
def test_td_rules(header: Path, tmp_path: Path) -> None:
    source = f'#include "{header.relative_to(TOP / "csrc")}"\n'
    for name in rules_of(header):
        apply = SWIFT_APPLY if name == "SwiftTD" else TD_APPLY
        for number in ("float", "double"):
            source += TD_KERNEL.format(name=name, number=number, apply=apply)
    check_no_spills(kernels(source, tmp_path), 2)
