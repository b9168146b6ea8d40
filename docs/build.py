"""Builds the documentation: python docs/build.py --out DIR, then open DIR/html/index.html.

The pages of the rules, their equations, tables and learning curves are made here from the tables of the compiled core;
the other pages lie beside this file. Needs the extra `docs`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import curves  # noqa: E402  (our neighbours, wherever this is called from)
import pages  # noqa: E402
import streamdl as sdl  # noqa: E402

COPIED = (
    "conf.py", "static", "index.md", "start.md", "checkpoints.md", "promises.md", "last_layer.md",
)  # fmt: skip


def write(folder: Path, effort: curves.Effort, costs: Path | None = None) -> None:
    """All pages as Markdown, with their figures, into a folder that is made anew."""
    measured = None if costs is None else pages.read_costs(costs)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "rules").mkdir(parents=True)
    for name in COPIED:
        source = HERE / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    found = pages.tables()
    captions = curves.draw_all(
        [(kind.name, table) for kind, table in found], folder / "curves", effort
    )
    for kind, table in found:
        name = table["name"]
        text = pages.page(kind, table, captions[name], measured)
        (folder / "rules" / f"{name}.md").write_text(text)
    for kind in pages.KINDS:
        (folder / f"{kind.module}.md").write_text(pages.index(kind))
    (folder / "costs.md").write_text(pages.costs_page(measured))
    (folder / "streams.md").write_text(pages.streams_page())
    (folder / "experiments.md").write_text(pages.experiments_page())


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0; Sphinx's own code where it finds fault, a warning included."""
    parser = argparse.ArgumentParser(prog="docs/build.py", description="Build the documentation.")
    parser.add_argument("--out", type=Path, default=HERE / "_build", metavar="DIR")
    parser.add_argument(
        "--costs", type=Path, metavar="FILE", help="of `streamdl bench rules --out`"
    )
    parser.add_argument("--quick", action="store_true", help="curves of a twentieth of the length")
    arguments = parser.parse_args(argv)
    source = arguments.out / "source"
    try:
        write(source, curves.QUICK if arguments.quick else curves.Effort(), arguments.costs)
    except (OSError, ValueError) as error:
        print(f"docs/build.py: error: {error}", file=sys.stderr)
        return 2
    html = arguments.out / "html"
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    command += ["-D", f"release={sdl.__version__}", str(source), str(html)]
    code = subprocess.run(command).returncode
    if code == 0:
        print(html / "index.html")
    return code


if __name__ == "__main__":
    sys.exit(main())
