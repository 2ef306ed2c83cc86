"""Imports run downwards only: the contracts in pyproject.toml are the architecture, and they hold."""

import ast
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_floors_hold() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [str(program), "--no-cache"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


ASKS_THE_MACHINE = {
    "bootstrap.py",
    "broker/consumer.py",
    "cli/database.py",
    "store/connection/database_clock.py",
}
"""For people, for Redis, for a message's ETA, and to measure how wrong it is."""


def test_nothing_that_decides_asks_the_machine_what_time_it_is() -> None:
    package = ROOT / "payment_worker"
    asking = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "datetime.now(" in (text := path.read_text(encoding="utf-8")) or "time.time(" in text
    }
    ours = {name for name in asking if not name.startswith(("simulator/", "devstack/"))}
    assert ours == ASKS_THE_MACHINE


def test_no_modules_first_sentence_could_stand_above_another_one() -> None:
    package = ROOT / "payment_worker"
    heads: dict[str, list[str]] = {}
    for path in package.rglob("*.py"):
        head = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
        heads.setdefault(head, []).append(path.relative_to(package).as_posix())
    assert "" not in heads
    assert [paths for paths in heads.values() if len(paths) > 1] == []


def test_no_module_repeats_its_folders_name() -> None:
    assert [path for path in (ROOT / "payment_worker").rglob("*.py") if path.stem == path.parent.name] == []


MOST_LINES = 50


def test_a_function_fits_one_screen() -> None:
    sources = [path for part in ("payment_worker", "tests", "tools") for path in (ROOT / part).rglob("*.py")]
    long = {
        node.name
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= MOST_LINES
    }
    assert len(sources) > 700
    assert not long
