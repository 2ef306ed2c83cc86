"""Draws the layers of the package that import-linter holds, each with the first words of its docstring."""

import ast
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

from drawings.lanes import FAINT, svg, text

ROOT = Path(__file__).parents[2]
PACKAGE = "payment_worker"
WIDTH, APART, LAYER, GAP, EDGE = 830, 130, 46, 8, 12
WALL = "#eef2ff"


def drawing() -> str:
    """The layers from top to bottom, and beside them what stands apart."""
    contract = _contract()
    rows = [re.split(r"\s*\|\s*", layer) for layer in contract["layers"]]
    height = EDGE + len(rows) * (LAYER + GAP) + EDGE // 2
    parts = [part for place, names in enumerate(rows) for part in _layer(place, names)]
    for name in contract["exhaustive_ignores"]:
        parts += _box(WIDTH + EDGE, EDGE, APART, height - 2 * EDGE, name)
    return svg("The layers: imports run downwards only", WIDTH + APART + 2 * EDGE, height, parts)


def _contract() -> dict[str, list[str]]:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    return next(each for each in tool["importlinter"]["contracts"] if each["type"] == "layers")


def _layer(place: int, names: list[str]) -> Iterable[str]:
    width = (WIDTH - EDGE - GAP * (len(names) - 1)) // len(names)
    for n, name in enumerate(names):
        yield from _box(EDGE + n * (width + GAP), EDGE + place * (LAYER + GAP), width, LAYER, name)


def _box(x: int, y: int, width: int, height: int, name: str) -> Iterable[str]:
    yield f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{WALL}" stroke="{FAINT}"/>'
    yield text(x + 10, y + 19, name, style='font-weight="600"')
    yield text(x + 10, y + 36, _first_words(name), style='font-size="11"')


def _first_words(name: str) -> str:
    """The docstring of the module until its first pause."""
    module = ROOT / PACKAGE / name
    path = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
    told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return re.split(r"[:,.](?:\s|$)", told)[0].replace("`", "")
