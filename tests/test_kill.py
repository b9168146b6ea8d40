"""A learner that saves in a loop is killed at any instant: nothing that was acknowledged is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import streamdl as sdl
from learners import TABLE, Case

KILLS = 200 if os.environ.get("STREAMDL_LONG") == "1" else 40
BLOCK = 20  # examples between two saves
LONGEST_SECONDS = 0.120  # from the first acknowledged save to the kill
END = 100 * BLOCK  # examples, from wherever a child went on, to the step where hashes are compared

# Dropout, traces, utilities, sums, counters: whatever a checkpoint could forget.
CASES = [
    next(c for c in TABLE if (c.network, c.plasticity) == ("norms_and_dropout", plasticity))
    for plasticity in ("adaptable_contribution", "shrink_and_adaptation")
]


def block(case: Case, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The examples after the first `steps`."""
    return case.examples(BLOCK, seed=steps)


def child(number: int, path: str) -> None:
    """Learn and save for ever, and say after each save how many examples it holds."""
    case = CASES[number]
    learner = sdl.Learner.load(path) if os.path.exists(path) else case.build()
    while True:
        learner.step_many(*block(case, learner.steps))
        learner.save(path)
        print(learner.steps, flush=True)


def killed_child(number: int, path: Path, seconds: float) -> int:
    """Start a child, kill it `seconds` after its first save, and return its last acknowledged one."""
    code = f"import test_kill; test_kill.child({number}, {str(path)!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=Path(__file__).parent
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(seconds)
    process.kill()
    rest = process.stdout.read()
    process.wait()
    # A line without its end was cut off by the kill: it acknowledges nothing.
    return int((first + rest).rpartition(b"\n")[0].split()[-1])


def test_a_killed_learner_goes_on_where_it_was(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    behind, ahead = [], 0
    for number, case in enumerate(CASES):
        path, truth = tmp_path / f"learner{number}", case.build()
        for kill in range(KILLS // len(CASES)):
            acknowledged = killed_child(number, path, random.uniform(0, LONGEST_SECONDS))
            loaded = sdl.Learner.load(path)
            assert loaded.steps >= acknowledged, f"kill {kill}: an acknowledged save is lost"
            assert sdl.Learner.load(f"{path}.previous").steps >= acknowledged - BLOCK
            ahead += loaded.steps > acknowledged
            behind.append(loaded.steps)
            # `truth` was never interrupted: it has one history, the loaded one many.
            while truth.steps < loaded.steps:
                truth.step_many(*block(case, truth.steps))
            assert loaded.state_hash() == truth.state_hash(), f"kill {kill} at {loaded.steps}"
            future = truth.clone() if kill % 10 else truth
            for _ in range(END // BLOCK if kill % 10 == 0 else 3):
                for one in (loaded, future):
                    one.step_many(*block(case, one.steps))
            assert loaded.state_hash() == future.state_hash(), f"kill {kill}: the futures part"
            if kill % 10 == 0:  # truth has run ahead of the file: start both anew from there
                loaded.save(path)
    print(f"{len(behind)} kills, {ahead} after a save that was not yet acknowledged")
