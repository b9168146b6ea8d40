"""The documentation: every rule of the tables has its page with all parts, its programs run, its links lead somewhere."""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import re
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from streamdl import _core
from streamdl.experiments import EXPERIMENTS
from streamdl.streams import __all__ as STREAMS

DOCS = Path(__file__).parents[1] / "docs"
if not (DOCS / "build.py").is_file():
    pytest.skip("no docs/ beside tests/", allow_module_level=True)
pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")

sys.path.insert(0, str(DOCS))
build: Any = importlib.import_module("build")
curves: Any = importlib.import_module("curves")
equations: Any = importlib.import_module("equations")
pages: Any = importlib.import_module("pages")
settings: Any = importlib.import_module("settings")

TABLES = [*_core.optimizers(), *_core.methods(), *_core.td_rules()]
NAMES = [table["name"] for table in TABLES]
HEADINGS = ["When to use it", "Arguments", "Cost", "Learning curve", "Source"]
GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau phi chi psi omega"
).split()
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("docs") / "source"
    build.write(folder, curves.Effort(seeds=1, share=0.01))
    return folder


# ---- pages of rules -----------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES, ids=NAMES)
def test_the_tables_say_what_a_rule_is_for(table: dict[str, Any]) -> None:
    assert len(table["when"]) > 50 and table["when"].endswith("."), table["when"]
    assert f"For: {table['when']}" in getattr(_module_of(table), table["name"]).__doc__


def _module_of(table: dict[str, Any]) -> Any:
    found = [kind for kind, other in pages.tables() if other["name"] == table["name"]]
    return importlib.import_module(f"streamdl.{found[0].module}")


@pytest.mark.parametrize("table", TABLES, ids=NAMES)
def test_a_rule_has_its_page_with_all_parts(table: dict[str, Any], source: Path) -> None:
    text = (source / "rules" / f"{table['name']}.md").read_text()
    assert text.startswith(f"# {table['name']}\n")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert [name for name in headings if name != "State"] == HEADINGS
    assert ("State" in headings) == bool(table.get("fields") or table.get("shared"))
    assert text.count("<div>") == len(equations.statements(table["equation"])) > 0
    for part in (table["when"], table["source"], table["cost"], pages.NOT_MEASURED):
        assert part in text
    for way in ("lazy", "closed_form"):
        assert (f'`silent_rows="{way}"`' in text) == (way in table.get("silent_rows", []))
    rows = [*table["hypers"], *table.get("options", []), *table.get("fields", [])]
    for row in [*rows, *table.get("shared", [])]:
        assert re.search(rf"^\| `{row['name']}` \|.*\|$", text, re.MULTILINE), row["name"]


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_has_a_curve_beside_its_baseline_in_both_themes(name: str, source: Path) -> None:
    for theme, colour in curves.BLUE.items():
        path = source / "curves" / f"{name}-{theme}.svg"
        styles = [e.get("style", "") for e in ElementTree.parse(path).iter(f"{SVG}path")]
        for wanted in (curves.BASELINE, colour):
            lines = [s for s in styles if f"stroke: {wanted.lower()}" in s and "fill: none" in s]
            assert lines, (path.name, wanted)


@pytest.mark.parametrize("name", NAMES)
def test_the_program_of_a_page_runs(name: str, source: Path) -> None:
    blocks = _programs(source / "rules" / f"{name}.md")
    assert len(blocks) == 1
    scope: dict[str, Any] = {}
    exec(blocks[0], scope)
    assert scope["learner"].steps >= 400


@pytest.mark.parametrize("name", ["index", "start", "checkpoints", "last_layer"])
def test_the_programs_of_a_guide_run_in_order(
    name: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = _programs(source / f"{name}.md")
    assert blocks
    scope: dict[str, Any] = {}
    for block in blocks:
        exec(block, scope)


def _programs(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def test_every_stream_and_experiment_is_listed(source: Path) -> None:
    streams, experiments = (
        re.findall(r"^## (.+)$", (source / name).read_text(), re.MULTILINE)
        for name in ("streams.md", "experiments.md")
    )
    assert streams == list(STREAMS)
    assert experiments == list(EXPERIMENTS)


@pytest.mark.parametrize("table", TABLES, ids=NAMES)
def test_what_must_be_given_has_a_value_for_examples_and_curves(table: dict[str, Any]) -> None:
    for name, value in settings.required(table).items():
        assert math.isfinite(value), f"docs/settings.py: REQUIRED lacks {name}"


# ---- equations ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plain", "expected"),
    [
        ("w -= alpha g^2", "<var>w</var> −= <var>α</var> <var>g</var><sup>2</sup>"),
        ("beta1 m / sqrt(v_d)", "<var>β</var><sub>1</sub> <var>m</var> / √(<var>v</var><sub>d</sub>)"),
        ("u-hat = w.x'", "<var>û</var> = <var>w</var> · <var>x</var>′"),
        ("e-bar = decay e-bar", "<var>ē</var> = decay <var>ē</var>"),
        ("sum of a d over a unit's rows", "sum of <var>a</var> <var>d</var> over a unit's rows"),
        ("a delta e", "<var>a</var> <var>δ</var> <var>e</var>"),
        ("step_size > 1e-8", '<span class="name">step_size</span> &gt; 1e-8'),
        ("w_0 <= eta_min", "<var>w</var><sub>0</sub> ≤ <var>η</var><sub>min</sub>"),
        ("decay^age", "decay<sup>age</sup>"),
    ],
)  # fmt: skip
def test_letters_become_what_papers_print(plain: str, expected: str) -> None:
    import unicodedata

    found = equations.typeset(plain)
    assert unicodedata.normalize("NFC", found) == expected


@pytest.mark.parametrize("table", TABLES, ids=NAMES)
def test_no_equation_loses_a_word_or_leaves_a_letter_spelled_out(table: dict[str, Any]) -> None:
    shown = re.sub(r"<[^>]+>", "", equations.block(table["equation"]))
    for word in re.findall(
        r"\b[a-z]+\b", table["equation"].replace("-hat", "").replace("-bar", "")
    ):
        if word not in ("sqrt", *GREEK):
            assert word in shown, word
    for word in GREEK:
        assert not re.search(rf"\b{word}\b", shown), word


# ---- costs --------------------------------------------------------------------------------------


def _costs_file(path: Path) -> Path:
    cost = {
        "workload": "W4", "rule": "adam", "of": "Adam", "time": 14.321, "times_base": 4.4,
        "arguments": {"step_size": 1e-4, "beta1": 0.9}, "bytes_times_base": 3.66, "over_bound": 1.875,
        "torch": 251.7,
    }  # fmt: skip
    machine = {"processor": "A Processor"}
    path.write_text(json.dumps({"machine": machine, "scenarios": {"rules": {"account": [cost]}}}))
    return path


def test_a_page_shows_what_was_measured_of_its_rule(tmp_path: Path) -> None:
    costs = pages.read_costs(_costs_file(tmp_path / "costs.json"))
    by_name = {table["name"]: (kind, table) for kind, table in pages.tables()}
    text = pages.page(*by_name["Adam"], "", costs)
    row = "| W4 | `step_size=0.0001` | 14.32 | 4.40 | 3.66 | 1.88 | 252 |"
    assert row in text and "A Processor" in text and pages.NOT_MEASURED not in text
    assert pages.NOT_MEASURED in pages.page(*by_name["AdamW"], "", costs)
    assert "| W4 | `adam` | 14.32 |" in pages.costs_page(costs)
    assert pages.NOT_MEASURED in pages.costs_page(None)


@pytest.mark.parametrize(
    "content", ["{}", '{"scenarios": {"rules": {"account": null}}}', "[1]", "x"]
)
def test_a_file_without_costs_is_refused_before_anything_is_made(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "costs.json"
    path.write_text(content)
    assert build.main(["--quick", "--costs", str(path), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("docs/build.py: error: ")
    assert not (tmp_path / "out").exists()


# ---- links --------------------------------------------------------------------------------------


class _Links(HTMLParser):
    """What a page refers to, what of it is loaded, and the places that one can refer to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        self.places |= {values[key] for key in ("id", "name") if key in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and "href" in values:
            self.loaded.append(values["href"])
        elif "src" in values:
            self.loaded.append(values["src"])


def test_markdown_refers_to_files_that_exist(source: Path) -> None:
    for page in source.rglob("*.md"):
        text = page.read_text()
        links = re.findall(r"\]\(([^)#]+)[^)]*\)", text) + re.findall(r"{image} (\S+)", text)
        for tree in re.findall(r"{toctree}\n(.*?)```", text, re.DOTALL):
            links += [f"{name}.md" for name in tree.split("\n") if name and name[0] != ":"]
        for link in links:
            assert "://" in link or (page.parent / link).is_file(), (page.name, link)


def test_every_link_of_the_site_resolves_and_nothing_is_loaded_from_elsewhere(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("sphinx", "myst_parser", "furo"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    monkeypatch.setattr(build, "write", lambda *arguments: None)  # it lies there
    assert build.main(["--out", str(source.parent)]) == 0
    site = source.parent / "html"
    parsed = {path: _Links(path) for path in site.rglob("*.html")}
    assert {site / "rules" / f"{name}.html" for name in NAMES} <= parsed.keys()
    for page, found in parsed.items():
        for link in found.loaded:
            assert not urlsplit(link).netloc, (page.name, link)
        for link in found.links + found.loaded:
            parts = urlsplit(link)
            if parts.scheme in ("https", "data", "mailto"):
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            assert target.is_file(), (page.name, link)
            if parts.fragment and target in parsed:
                assert unquote(parts.fragment) in parsed[target].places, (page.name, link)
