"""The reference engine: every learning rule in float64 NumPy, slow and obvious.

It is written from the equations alone, in their order and letters, and shares no code with the
compiled engine, so that an error in one shows as a difference from the other.
"""

from reference.learner import Learner
from reference.losses import LOSSES
from reference.network import MLP, Activation, Dropout, LayerNorm, Linear, Network
from reference.optimizers import IDBD, SGD, Adam, AdamW, Optimizer, RMSprop
from reference.plasticity import ContinualBackprop, ShrinkAndPerturb

__all__ = [
    "IDBD",
    "LOSSES",
    "MLP",
    "SGD",
    "Activation",
    "Adam",
    "AdamW",
    "ContinualBackprop",
    "Dropout",
    "LayerNorm",
    "Learner",
    "Linear",
    "Network",
    "Optimizer",
    "RMSprop",
    "ShrinkAndPerturb",
]
