"""The learning curve of every page: the rule on the project's own streams, its baseline beside it in grey.

Step sizes (and meta step sizes) of both are the best of a grid on the first seed; all else is left at its default.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import streamdl as sdl
from numpy.typing import NDArray
from settings import Table, beside, grid, required

Array = NDArray[np.float64]
Build = Callable[..., Any]  # a learner of one rule, from a seed and hyper-parameters

BASELINE = "#9A9A9A"
BLUE = {"light": "#0072B2", "dark": "#56B4E9"}  # Okabe & Ito (2008)
INK = {"light": "#333333", "dark": "#CFD0D0"}
SEARCHED = 0.4  # of a stream, for each point of a grid
POINTS = 40  # along a curve


@dataclass(frozen=True)
class Effort:
    """How much is learned for one curve."""

    seeds: int = 3
    share: float = 1.0  # of every stream's length


QUICK = Effort(seeds=1, share=0.05)


@dataclass(frozen=True)
class Task:
    """What is learned: `run(build, seed, share, **values)` gives one number per point of the curve."""

    title: str
    axis: str
    run: Callable[..., Array]
    lower_is_better: bool = True


@dataclass(frozen=True)
class Curve:
    """One learner on one task: points (seeds, POINTS), and the values that were chosen for it."""

    label: str
    points: Array
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Panel:
    task: Task
    curves: list[Curve]  # the baseline first


# ---- streams ------------------------------------------------------------------------------------


def _points(values: Array) -> Array:
    """The means of POINTS stretches of equal length."""
    used = len(values) - len(values) % POINTS
    means: Array = values[:used].reshape(POINTS, -1).mean(axis=1)
    return means


def _learned(learner: Any, stream: Any) -> Array:
    """The errors (squared, or 1 for a wrong class) of all predictions; infinite from an overflow on."""
    found: list[Array] = []
    for xs, ys in stream.blocks(1024):
        try:
            losses, outputs = learner.step_many(xs, ys, outputs=True)
        except ValueError as error:
            if "overflow" not in str(error):
                raise
            left = stream.length - sum(map(len, found))
            return np.concatenate([*found, np.full(left, np.inf)])
        if stream.loss == "cross_entropy":
            found.append((outputs.argmax(axis=1) != ys).astype(np.float64))
        else:
            found.append(2.0 * losses.astype(np.float64))
    return np.concatenate(found)


def _tracking(build: Build, seed: int, share: float, **values: float) -> Array:
    stream = sdl.streams.Tracking1992(seed=seed, tasks=max(20, int(1000 * share)))
    network = sdl.MLP(stream.inputs, [], 1, init="zeros", bias=False)
    return _points(_learned(build(network, stream.loss, seed, **values), stream))


def _deep_tracking(build: Build, seed: int, share: float, **values: float) -> Array:
    stream = sdl.streams.DeepTracking(seed=seed, tasks=max(2, int(40 * share)))
    network = sdl.MLP(stream.inputs, [40], 1)
    return _points(_learned(build(network, stream.loss, seed, **values), stream))


def _digits(build: Build, seed: int, share: float, **values: float) -> Array:
    stream = sdl.streams.PermutedDigits(seed=seed, tasks=max(1, int(POINTS * share)))
    network = sdl.MLP(stream.inputs, [64], stream.outputs)
    wrong = _points(_learned(build(network, stream.loss, seed, **values), stream))
    return 100.0 * (1.0 - np.minimum(wrong, 1.0))


def _many_digits(build: Build, seed: int, share: float, **values: float) -> Array:
    stream = sdl.streams.PermutedDigits(seed=seed, tasks=max(1, int(160 * share)))
    network = sdl.MLP(stream.inputs, [64, 64, 64], stream.outputs)
    wrong = _points(_learned(build(network, stream.loss, seed, **values), stream))
    return 100.0 * (1.0 - np.minimum(wrong, 1.0))


def _sparse_digits(build: Build, seed: int, share: float, **values: float) -> Array:
    stream = sdl.streams.PermutedDigits(seed=seed, tasks=max(1, int(160 * share)))
    layers: list[sdl.nn.Layer] = []
    for width in (64, 64, 64):
        layers += [sdl.nn.SparseLinear(width, density=0.1), sdl.nn.ReLU()]
    network = sdl.Network([*layers, sdl.nn.Linear(stream.outputs)], stream.inputs)
    wrong = _points(_learned(build(network, stream.loss, seed, **values), stream))
    return 100.0 * (1.0 - np.minimum(wrong, 1.0))


WALK = 19  # states between the two ends
DISTRACTORS = 20


def _random_walk(build: Build, seed: int, share: float, **values: float) -> Array:
    """The error of the values of 19 states in a row; beside the state's feature, 20 that say nothing."""
    rng = np.random.default_rng(seed)
    learner = build(WALK + DISTRACTORS, **values)
    true = np.arange(1, WALK + 1) / (WALK + 1) * 2 - 1
    states = np.eye(WALK, WALK + DISTRACTORS, dtype=np.float32)
    found = []
    for _ in range(max(POINTS, int(320 * share))):
        state = WALK // 2
        while 0 <= state < WALK:
            x = np.concatenate([states[state, :WALK], rng.random(DISTRACTORS) < 0.1])
            learner.step(x, 0.0)
            state += 1 if rng.random() < 0.5 else -1
        learner.end(1.0 if state == WALK else -1.0)
        values_now = learner.parameters["0.weight"][:WALK, 0].astype(np.float64)
        found.append(float(np.sqrt(np.mean((values_now - true) ** 2))))
    return _points(np.nan_to_num(np.array(found), nan=np.inf))


TRACKING = Task("Tracking, linear", "squared error", _tracking)
DEEP = Task("Tracking through a network", "squared error", _deep_tracking)
DIGITS = Task("Permuted digits", "accuracy, %", _digits, lower_is_better=False)
MANY_DIGITS = Task(
    "Permuted digits, many tasks", "accuracy, %", _many_digits, lower_is_better=False
)
SPARSE_DIGITS = Task(
    "Permuted digits, a tenth of the weights", "accuracy, %", _sparse_digits, lower_is_better=False
)
WALKING = Task("Random walk, 20 features that say nothing", "error of the values", _random_walk)


# ---- learners -----------------------------------------------------------------------------------


def _optimizer(name: str, **fixed: Any) -> Build:
    def build(network: Any, loss: str, seed: int, **values: float) -> Any:
        made = getattr(sdl.optim, name)(**{**fixed, **values})
        return sdl.Learner(network, loss=loss, optimizer=made, seed=seed)

    return build


def _method(name: str | None, **fixed: Any) -> Build:
    def build(network: Any, loss: str, seed: int) -> Any:
        made = getattr(sdl.plasticity, name)(**fixed) if name else None
        optimizer = sdl.optim.SGD(step_size=0.01)
        return sdl.Learner(network, loss=loss, optimizer=optimizer, plasticity=made, seed=seed)

    return build


def _predictor(name: str, **fixed: Any) -> Build:
    def build(features: int, **values: float) -> Any:
        return getattr(sdl.rl, name)(features, **{**fixed, "discount": 1.0, **values})

    return build


def _best(
    task: Task, build: Build, values: dict[str, tuple[float, ...]], effort: Effort
) -> dict[str, float]:
    """The point of the grid with the best mean over a part of the stream, on the first seed."""
    choices = [dict(zip(values, v, strict=True)) for v in itertools.product(*values.values())]
    if len(choices) == 1:
        return choices[0]

    def badness(choice: dict[str, float]) -> float:
        mean = task.run(build, 0, SEARCHED * effort.share, **choice).mean()
        return float(mean if task.lower_is_better else -mean)

    return min(choices, key=badness)


def _curve(
    label: str,
    task: Task,
    build: Build,
    fixed: dict[str, float],
    searched: dict[str, tuple[float, ...]],
    effort: Effort,
) -> Curve:
    best = _best(task, build, searched, effort)
    runs = [task.run(build, seed, effort.share, **best) for seed in range(effort.seeds)]
    return Curve(label, np.array(runs), best | fixed)


def panels(kind: str, table: Table, base: Table, effort: Effort) -> list[Panel]:
    """The panels of a page: of an "optimizer", a plasticity "method" or a rule of temporal differences ("td")."""
    name, given = table["name"], required(table)
    searched = grid(table)
    fixed = {k: v for k, v in given.items() if k not in searched} | beside(table)
    if kind == "method":
        ours, theirs = _method(name, **given), _method(None)
        tasks, label, other = [MANY_DIGITS], name, "SGD alone"
        if table["of_edges"]:
            tasks, other = [SPARSE_DIGITS], "SGD, edges as drawn"
        fixed, searched, base_grid = given, {}, {}
    elif kind == "td":
        ours, theirs = _predictor(name, **fixed), _predictor("TD")
        tasks, label, other, base_grid = [WALKING], name, "TD", grid(base)
        if name == "TD":
            theirs, label, other = _predictor("TD", trace_decay=0.0), "TD, traces", "TD, no traces"
    else:
        ours, theirs = _optimizer(name, **fixed), _optimizer("SGD")
        tasks = [TRACKING, DEEP if table["one_output"] else DIGITS]
        label, other, base_grid = name, "SGD", grid(base)
        if name == "SGD":
            ours, label = _optimizer("SGD", momentum=0.9), "SGD, momentum 0.9"
    return [
        Panel(
            task,
            [
                _curve(other, task, theirs, {}, base_grid, effort),
                _curve(label, task, ours, fixed, searched, effort),
            ],
        )
        for task in tasks
    ]


# ---- figures ------------------------------------------------------------------------------------


def _style(theme: str) -> dict[str, Any]:
    from streamdl.experiments.figure import STYLE

    ink = INK[theme]
    return STYLE | {
        "svg.hashsalt": "streamdl",
        "font.size": 9,
        "axes.titlesize": 10,
        "grid.color": ink + "22",
        "axes.edgecolor": ink + "88",
        "axes.labelcolor": ink,
        "text.color": ink,
        "xtick.color": ink,
        "ytick.color": ink,
    }


def draw(found: list[Panel], path: Path, theme: str) -> None:
    """Means over the seeds with a band of one standard error, as SVG without a background."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_style(theme)):
        figure = Figure(figsize=(4.2 * len(found), 2.9), layout="constrained")
        for axis, panel in zip(np.atleast_1d(figure.subplots(1, len(found))), found, strict=True):
            for curve, colour in zip(panel.curves, (BASELINE, BLUE[theme]), strict=True):
                points = np.where(np.isfinite(curve.points), curve.points, np.nan)
                mean, x = points.mean(axis=0), np.linspace(0, 100, POINTS)
                error = points.std(axis=0) / max(1, len(points) - 1) ** 0.5
                axis.fill_between(
                    x, mean - error, mean + error, color=colour, alpha=0.2, linewidth=0
                )
                axis.plot(x, mean, color=colour, linewidth=1.8, label=curve.label)
            axis.set_title(panel.task.title, loc="left")
            axis.set(xlabel="% of the stream", ylabel=panel.task.axis)
            axis.margins(x=0.01)
            axis.legend(fontsize=8)
        figure.savefig(path, format="svg", transparent=True, metadata={"Date": None})


def caption(found: list[Panel]) -> str:
    """Which values the curves were drawn with, in words."""

    def words(curve: Curve) -> str:
        chosen = ", ".join(f"{key}={value:.3g}" for key, value in curve.values.items())
        return f"{curve.label} ({chosen})" if chosen else curve.label

    parts = [f"{p.task.title}: {', '.join(map(words, p.curves))}" for p in found]
    seeds = len(found[0].curves[0].points)
    bands = "; bands: one standard error" if seeds > 1 else ""
    searched = found[0].task is not MANY_DIGITS
    how = "; step sizes are the best of a grid" if searched else "; SGD with step size 0.01"
    return f"{'. '.join(parts)}. {seeds} seed{'s' if seeds > 1 else ''}{bands}{how}."


def _drawn(job: tuple[str, Table, Table, Effort, Path]) -> str:
    kind, table, base, effort, folder = job
    found = panels(kind, table, base, effort)
    for theme in BLUE:
        draw(found, folder / f"{table['name']}-{theme}.svg", theme)
    return caption(found)


def draw_all(
    tables: list[tuple[str, Table]], folder: Path, effort: Effort, jobs: int | None = None
) -> dict[str, str]:
    """The figures of all pages, NAME-light.svg and NAME-dark.svg; returns the captions by name."""
    folder.mkdir(parents=True, exist_ok=True)
    bases = {"optimizer": "SGD", "method": "SGD", "td": "TD"}
    by_name = {table["name"]: table for _, table in tables}
    work = [(kind, table, by_name[bases[kind]], effort, folder) for kind, table in tables]
    with ProcessPoolExecutor(jobs) as pool:
        captions = list(pool.map(_drawn, work))
    return {table["name"]: text for (_, table), text in zip(tables, captions, strict=True)}
