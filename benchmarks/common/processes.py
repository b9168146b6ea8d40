"""The runner's side of a worker process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

WORKER = Path(__file__).with_name("worker.py")
SINGLE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
}
# Settings that make a library believe in another processor: rivals run as they would by default.
FOREIGN = (
    "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_DEBUG_CPU_TYPE", "NVPL_BLAS_DEBUG_CPU_TYPE",
    "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES",
)  # fmt: skip


def environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in FOREIGN}
    return kept | SINGLE_THREAD


class Worker:
    """A competitor's process; `ask` sends one request and waits for its answer."""

    def __init__(self, scenario: str, competitor: str, core: int):
        self.competitor = competitor
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER), scenario, competitor, str(core)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            text=True,
        )
        self.stderr: list[str] = []
        # A full error pipe would block the worker: drain it, keep its last lines.
        self.drain = threading.Thread(target=self._read_errors, daemon=True)
        self.drain.start()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.strip():
                self.stderr = [*self.stderr[-19:], line.rstrip()]

    def ask(self, request: dict[str, Any] | None, timeout: float = 300.0) -> dict[str, Any]:
        """The answer, or {"failed": ...} when the worker died or took too long."""
        assert self.process.stdin is not None and self.process.stdout is not None
        guard = threading.Timer(timeout, self.process.kill)
        guard.start()
        try:
            if request is not None:
                self.process.stdin.write(json.dumps(request) + "\n")
                self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            guard.cancel()
        if not line:
            code = self.process.wait()
            last = self.stderr[-1] if self.stderr else "no message"
            return {"failed": f"process ended with status {code}: {last}"}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        if self.process.stdin is not None and not self.process.stdin.closed:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                pass
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
