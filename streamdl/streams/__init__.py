"""Streams of examples: seeded, in tasks, and resumable from any position.

for x, y in stream:                   one example at a time
for xs, ys in stream.blocks(1024):    blocks, which never cross a task boundary
"""

from streamdl.streams.base import Stream
from streamdl.streams.mnist import load_mnist
from streamdl.streams.permuted import LabelPermuted, PermutedDigits, PermutedMNIST
from streamdl.streams.regression import SlowlyChangingRegression
from streamdl.streams.tracking import DeepTracking, Tracking1992

__all__ = [
    "DeepTracking",
    "LabelPermuted",
    "PermutedDigits",
    "PermutedMNIST",
    "SlowlyChangingRegression",
    "Stream",
    "Tracking1992",
    "load_mnist",
]
