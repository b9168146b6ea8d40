"""The generated pages, as Markdown: one per rule from its table, their index, the streams, the experiments, the costs."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import equations
import streamdl as sdl
from settings import Table, required
from streamdl import _core
from streamdl._tables import default, interval
from streamdl.experiments import EXPERIMENTS

NOT_MEASURED = "Not measured in this build of the pages; `streamdl bench rules` measures it."


@dataclass(frozen=True)
class Kind:
    """A sort of rule: where its classes live, and how its pages are headed."""

    name: str
    module: str
    heading: str
    about: str
    beside: tuple[tuple[str, str, str], ...] = ()  # pages that no table makes: name, file, title


KINDS = (
    Kind(
        "optimizer",
        "optim",
        "Optimizers",
        "How one weight and its fields change with every example.",
    ),
    Kind("method", "plasticity", "Plasticity", "What keeps a network able to learn."),
    Kind(
        "td",
        "rl",
        "Linear prediction",
        "Temporal differences, linear in the features.",
        (("LastLayer", "last_layer", "Any of these above a network that learns its features."),),
    ),
)


def tables() -> list[tuple[Kind, Table]]:
    """Every rule of the compiled core."""
    found = {"optimizer": _core.optimizers(), "method": _core.methods(), "td": _core.td_rules()}
    return [(kind, table) for kind in KINDS for table in found[kind.name]]


def page(kind: Kind, table: Table, caption: str, costs: dict[str, Any] | None) -> str:
    """The page of one rule."""
    name = table["name"]
    parts = [
        f"# {name}",
        equations.greek(table["title"]),
        _html(equations.block(table["equation"])),
        "## When to use it",
        table["when"],
        _python(example(kind, table)),
        "## Arguments",
        _arguments(kind, table),
        *_state(table),
        "## Cost",
        f"Per weight and example: {_sentence(table['cost'])}",
        *_waiting(table),
        *_measured(table, costs),
        "## Learning curve",
        *(_image(name, theme) for theme in ("light", "dark")),
        caption,
        "## Source",
        _sentence(table["source"]),
    ]
    return "\n\n".join(parts) + "\n"


def example(kind: Kind, table: Table) -> str:
    """A program that learns something with the rule."""
    name = table["name"]
    given = ", ".join(f"{key}={value:g}" for key, value in required(table).items())
    made = f"sdl.{kind.module}.{name}({given})"
    if kind.name == "td":
        arguments = ", ".join(filter(None, ["features=4", given]))
        return (
            "import numpy as np\nimport streamdl as sdl\n\n"
            f"learner = sdl.rl.{name}({arguments})\n"
            "for state in [0, 1, 2, 3] * 100:\n"
            "    x = np.eye(4)[state]\n"
            "    v = learner.step(x, reward=1.0 if state == 3 else 0.0)"
        )
    if kind.name == "method":
        optimizer, plasticity = "sdl.optim.SGD(step_size=0.01)", f"    plasticity={made},\n"
    else:
        optimizer, plasticity = made, ""
    network = "sdl.MLP(20, [32], 1)"
    if table.get("of_edges"):
        layers = "sdl.nn.SparseLinear(32, density=0.2), sdl.nn.ReLU(), sdl.nn.Linear(1)"
        network = f"sdl.Network([{layers}], inputs=20)"
    return (
        "import streamdl as sdl\n\n"
        "learner = sdl.Learner(\n"
        f"    {network},\n"
        '    loss="squared_error",\n'
        f"    optimizer={optimizer},\n{plasticity}"
        ")\n"
        "for x, y in sdl.streams.Tracking1992(seed=0, tasks=50):\n"
        "    loss = learner.step(x, y)"
    )


def _arguments(kind: Kind, table: Table) -> str:
    rows = [
        (
            f"`{row['name']}`",
            equations.letter(row["letter"]),
            default(row).removeprefix("default "),
            interval(row).replace("inf", "∞"),
            row["meaning"],
        )
        for row in table["hypers"]
    ]
    for row in table.get("options", []):
        choices = ", ".join(row["choices"])
        rows.append(
            (f"`{row['name']}`", "", row["choices"][row["standard"]], choices, row["meaning"])
        )
    if table.get("uses_sensitivity"):
        meaning = "one pass back for all outputs, or one for each"
        letter = equations.letter("d")
        rows.append(("`sensitivity`", letter, "diagonal", "diagonal, exact", meaning))
    if table.get("has_gradient"):
        meaning = "of the prediction alone, or of the whole error"
        rows.append(("`gradient`", equations.letter("p"), "semi", "semi, ordinary", meaning))
    if kind.name == "td":
        rows.insert(0, ("`features`", "", "required", "[1, 2^30]", "how many numbers x has"))
    return _grid(("argument", "letter", "default", "range", "meaning"), rows)


def _state(table: Table) -> list[str]:
    per_weight = [(row, "weight") for row in table.get("fields", [])]
    shared = [(row, "group of weights") for row in table.get("shared", [])]
    rows = [
        (f"`{row['name']}`", of, f"`{row['start']}`", _meaning(row["meaning"]))
        for row, of in per_weight + shared
    ]
    if not rows:
        return []
    words = (
        "Everything beside the weights that it keeps; which of them depends on the arguments. "
        "All are live views in `learner.state`, and in every checkpoint."
    )
    return ["## State", words, _grid(("name", "one per", "starts at", "meaning"), rows)]


def _meaning(text: str) -> str:
    """`h: words` with h set as a letter."""
    letter, colon, rest = text.partition(": ")
    if colon and len(letter) <= 12 and " " not in letter:
        return f"{equations.letter(letter)}: {rest}"
    return text


def _waiting(table: Table) -> list[str]:
    ways = [f'`silent_rows="{way}"`' for way in table.get("silent_rows", [])]
    return (
        [f"Instead of being visited, rows of silent units may wait: {' or '.join(ways)}."]
        if ways
        else []
    )


def _measured(table: Table, costs: dict[str, Any] | None) -> list[str]:
    found = [
        cost | {"rule": _chosen(table, cost["arguments"])}
        for cost in (costs or {}).get("costs", [])
        if cost["of"] == table["name"]
    ]
    if not found:
        return [NOT_MEASURED]
    return [_cost_table(found), _machine(costs)]


def _chosen(table: Table, arguments: dict[str, Any]) -> str:
    """The arguments that are not the table's defaults."""
    standard = {row["name"]: row["standard"] for row in table["hypers"]}
    standard |= {row["name"]: row["choices"][row["standard"]] for row in table["options"]}
    words = [f"{k}={v}" for k, v in arguments.items() if v != standard.get(k)]
    return ", ".join(words) or "defaults"


def _cost_table(found: list[dict[str, Any]]) -> str:
    def figure(value: float | None) -> str:
        if value is None:
            return ""
        return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"

    heads = ("network", "as", "µs", "/ SGD", "bytes / SGD", "µs / bound", "PyTorch, µs")
    rows = [
        (
            cost["workload"],
            f"`{cost['rule']}`",
            figure(cost["time"]),
            figure(cost["times_base"]),
            figure(cost["bytes_times_base"]),
            figure(cost["over_bound"]),
            figure(cost["torch"]),
        )
        for cost in found
    ]
    return _grid(heads, rows)


def _machine(costs: dict[str, Any] | None) -> str:
    assert costs is not None
    return (
        "Per example, batch size 1, one thread, float32, in one run. W4: 64-256-256-8, a controller; W2: "
        "784-2000-2000-2000-10, permuted MNIST. The bound is what the rule's passes over its memory take by "
        f"themselves. {costs['machine']}."
    )


def read_costs(path: Path) -> dict[str, Any]:
    """The table that `streamdl bench rules --out FILE` wrote.

    Raises:
        ValueError: the file holds no such table.
    """
    content = json.loads(path.read_text())
    try:
        scenario = content["scenarios"]["rules"]
        return {"costs": list(scenario["account"]), "machine": content["machine"]["processor"]}
    except (KeyError, TypeError):
        raise ValueError(f"{path}: expected what `streamdl bench rules --out` writes") from None


def index(kind: Kind) -> str:
    """The list of one kind of rules."""
    found = [table for of, table in tables() if of is kind]
    rows = [
        (f"[{t['name']}](rules/{t['name']}.md)", equations.greek(t["title"]), t["source"])
        for t in found
    ]
    rows += [(f"[{name}]({file}.md)", title, "") for name, file, title in kind.beside]
    files = [f"rules/{table['name']}" for table in found] + [file for _, file, _ in kind.beside]
    names = "\n".join(files)
    tree = f"```{{toctree}}\n:hidden:\n\n{names}\n```"
    grid = _grid((f"`sdl.{kind.module}`", "", "source"), rows)
    return f"# {kind.heading}\n\n{kind.about}\n\n{grid}\n\n{tree}\n"


def costs_page(costs: dict[str, Any] | None) -> str:
    """All measured costs in one table."""
    body = NOT_MEASURED
    if costs is not None:
        body = f"{_cost_table(costs['costs'])}\n\n{_machine(costs)}"
    return (
        f"# Costs\n\nWhat each rule takes beside plain SGD, and what its bytes allow.\n\n{body}\n"
    )


def streams_page() -> str:
    """Every stream, from its docstring."""
    parts = ["# Streams", inspect.getdoc(sdl.streams) or ""]
    parts[1] = f"```text\n{parts[1]}\n```"
    for name in sdl.streams.__all__:
        value = getattr(sdl.streams, name)
        call = str(inspect.signature(value)).replace("'", "")
        title, _, rest = (inspect.getdoc(value) or "").partition("\n")
        parts += [f"## {name}", title, f"```text\n{name}{call}\n{rest}\n```"]
    return "\n\n".join(parts) + "\n"


def experiments_page() -> str:
    """Every experiment with its keys, from the catalogue."""
    parts = [
        "# Experiments",
        "A stream, the learners to compare on it, and what to show of them. Each ends in a table, a figure and a "
        "Parquet file; a run that was stopped goes on from where it was.",
        "```sh\nstreamdl run permuted-digits --seeds 3 --set step_size=0.01,0.003\n```",
    ]
    for experiment in EXPERIMENTS.values():
        keys = experiment.configuration.as_dict().items()
        rows = [(f"`{key}`", f"`{_listed(value)}`") for key, value in keys]
        table = _grid(("key", "default"), rows)
        parts += [
            f"## {experiment.name}",
            f"{experiment.summary}; {experiment.seeds} seeds.",
            table,
        ]
    return "\n\n".join(parts) + "\n"


def _listed(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


# ---- Markdown -----------------------------------------------------------------------------------


def _html(text: str) -> str:
    return f"```{{raw}} html\n{text}\n```"


def _python(code: str) -> str:
    return f"```python\n{code}\n```"


def _image(name: str, theme: str) -> str:
    alt = f"Learning curve of {name}, its baseline beside it in grey"
    return f"```{{image}} ../curves/{name}-{theme}.svg\n:class: only-{theme}\n:alt: {alt}\n```"


def _grid(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(_cell(c) for c in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
