"""The tables' equations, in plain letters, as HTML: Greek, subscripts, powers; no script, no fonts to load."""

from __future__ import annotations

import html
import re

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "eta": "η", "theta": "θ", "kappa": "κ",
    "lambda": "λ", "mu": "μ", "rho": "ρ", "sigma": "σ", "tau": "τ", "xi": "ξ",
}  # fmt: skip
PAIRS = ("dw", "gh")  # two letters that are one quantity
ACCENTS = {"-hat": "\u0302", "-bar": "\u0304"}
OPERATORS = {
    "-=": "−=", "+=": "+=", "*=": "×=", "/=": "÷=", "<=": "≤", ">=": "≥", "!=": "≠", "-": "−", "*": "·", ".": " · ",
    "~": "∼",
}  # fmt: skip

# A name with its index, accent and primes; a number; a word of prose with its apostrophe; an operator; anything else.
TOKEN = re.compile(
    r"(?P<name>[A-Za-z][A-Za-z]*?)(?P<digits>\d*)(?:_(?P<index>[A-Za-z0-9_]+))?(?P<accent>-hat|-bar)?(?P<prime>'(?!s\b))?"
    r"(?P<owner>'s\b)?(?![A-Za-z0-9_])"
    r"|(?P<number>\d+(?:\.\d+)?(?:e-?\d+)?)"
    r"|(?P<power>\^)"
    r"|(?P<operator>[-+*/<>!]=|[-*~]|(?<=[a-z])\.(?=[a-z]))"
    r"|(?P<other>\s+|.)",
    re.DOTALL,
)


def statements(equation: str) -> list[str]:
    """The statements of an equation, which semicolons separate."""
    return [part.strip() for part in re.split(r";\s+", equation.strip()) if part.strip()]


def typeset(text: str) -> str:
    """One statement as HTML."""
    parts: list[str] = []
    raises = False
    for match in TOKEN.finditer(text):
        if match["power"]:
            raises = True
            continue
        shown = _shown(match, text[match.end() :])
        parts.append(f"<sup>{shown}</sup>" if raises else shown)
        raises = False
    return "".join(parts)


def block(equation: str) -> str:
    """All statements, one to a line."""
    lines = "".join(f"<div>{typeset(line)}</div>" for line in statements(equation))
    return f'<div class="equation">{lines}</div>'


def greek(prose: str) -> str:
    """Prose with the Greek letters in its brackets as such: TD(lambda)."""
    return re.sub(r"\(([a-z]+)\)", lambda found: f"({GREEK.get(found[1], found[1])})", prose)


def letter(text: str) -> str:
    """A letter of the paper, or nothing."""
    return f'<span class="math">{typeset(text)}</span>' if text else ""


def _shown(match: re.Match[str], rest: str) -> str:
    if match["name"] is not None:
        return _name(match, rest)
    if match["operator"] is not None:
        return html.escape(OPERATORS.get(match["operator"], match["operator"]))
    text = match["number"] or match["other"]
    return html.escape(text, quote=False)


def _name(match: re.Match[str], rest: str) -> str:
    name, digits, index = match["name"], match["digits"], match["index"]
    is_symbol = name in GREEK or name in PAIRS or len(name) == 1
    # "a unit's": the article, not the step size.
    if name == "a" and not digits and re.match(r" (?!exp|sum|max|min)[a-z']{4,}", rest):
        following = re.match(r" ([a-z]+)", rest)
        is_symbol = following is not None and following[1] in GREEK
    if name == "sqrt":
        return "√"
    if not is_symbol:  # an argument by its name, a function, or prose
        word = html.escape(match[0], quote=False)
        return f'<span class="name">{word}</span>' if index else word
    shown = f"<var>{GREEK.get(name, name)}{ACCENTS.get(match['accent'], '')}</var>"
    if digits or index:
        shown += f"<sub>{digits or ''}{_index(index)}</sub>"
    return shown + ("′" if match["prime"] else "") + (match["owner"] or "")


def _index(index: str | None) -> str:
    return "" if index is None else GREEK.get(index, index)
