"""The reference engine: every learning rule in float64 NumPy, slow and obvious.

It is written from the equations alone, in their order and letters, and shares no code with the
compiled engine, so that an error in one shows as a difference from the other.
"""

from reference.consolidation import EWC, MAS, SI, RWalk
from reference.convolution import Conv2d, Flatten, MaxPool2d
from reference.descriptions import network_of
from reference.error_optimizers import AdaptiveObGD, ErrorOptimizer, Intentional, ObGD
from reference.learned_step_sizes import (
    Autostep,
    HypergradientDescent,
    MetaOptimize,
    NormalizedIDBD,
    SigIDBD,
)
from reference.learner import Learner
from reference.linear_td import TD, TIDBD, AutoTIDBD, LinearPredictor, SwiftTD, TrueOnlineTD
from reference.losses import LOSSES
from reference.network import MLP, Activation, Dropout, LayerNorm, Linear, Network
from reference.optimizers import IDBD, NIDBD, SGD, Adam, AdamW, Optimizer, RMSprop
from reference.plasticity import (
    ContinualBackprop,
    ContinuousContinualBackprop,
    HareAndTortoise,
    L2Init,
    NormalizeAndProject,
    ReDo,
    SelectiveWeightReinit,
    SelfNormalizedReset,
    ShrinkAndPerturb,
    WeightClipping,
)
from reference.protection import UPGD
from reference.sparse import SET, EdgeUtility, RigL, SparseLinear

__all__ = [
    "EWC",
    "IDBD",
    "LOSSES",
    "MAS",
    "MLP",
    "NIDBD",
    "NormalizedIDBD",
    "SigIDBD",
    "SET",
    "SGD",
    "SI",
    "TD",
    "TIDBD",
    "UPGD",
    "Activation",
    "Adam",
    "AdamW",
    "AdaptiveObGD",
    "AutoTIDBD",
    "Autostep",
    "ContinualBackprop",
    "ContinuousContinualBackprop",
    "Conv2d",
    "Dropout",
    "EdgeUtility",
    "ErrorOptimizer",
    "Flatten",
    "HareAndTortoise",
    "HypergradientDescent",
    "Intentional",
    "L2Init",
    "LayerNorm",
    "Learner",
    "Linear",
    "LinearPredictor",
    "MaxPool2d",
    "MetaOptimize",
    "Network",
    "NormalizeAndProject",
    "ObGD",
    "Optimizer",
    "RMSprop",
    "RWalk",
    "ReDo",
    "RigL",
    "SelectiveWeightReinit",
    "SelfNormalizedReset",
    "ShrinkAndPerturb",
    "SparseLinear",
    "SwiftTD",
    "TrueOnlineTD",
    "WeightClipping",
    "network_of",
]
