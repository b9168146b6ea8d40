"""Experiments: a stream, the learners to compare on it, and what to show of them.

`streamdl run NAME` on the command line, `run(NAME)` in Python. Heavy packages (those of the extra
`experiments`) are imported when an experiment runs, not before.
"""

from streamdl.experiments.catalogue import EXPERIMENTS, Experiment, find
from streamdl.experiments.commands import plot, run
from streamdl.experiments.errors import UsageError

__all__ = ["EXPERIMENTS", "Experiment", "UsageError", "find", "plot", "run"]
