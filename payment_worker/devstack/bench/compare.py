"""Benches another commit and this working tree in turns, so that a machine whose speed drifts favours neither."""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.table import Table

TURNS: Final = 3

Values = dict[tuple[str, str], float]
"""What was measured, by figure and unit."""


def compare(reference: str, *, tasks: int, root: Path) -> Table:
    """A table of each figure at both, with the median of the turns' ratios.

    Both run with the packages of this environment.
    """
    with _checked_out(reference, root) as before:
        turns = [(_bench(before, tasks), _bench(root, tasks)) for _ in range(TURNS)]
    table = Table("figure", "unit", reference, "here", "ratio", title=f"{TURNS} turns on this machine")
    for figure in turns[0][1]:
        there = [old[figure] for old, _ in turns if figure in old]
        table.add_row(*figure, *_row(there, [new[figure] for _, new in turns]))
    return table


def _row(there: Sequence[float], here: Sequence[float]) -> tuple[str, str, str]:
    if not there:  # the other commit does not measure it
        return "", f"{statistics.median(here):.2f}", ""
    ratio = statistics.median(new / old for old, new in zip(there, here, strict=True))
    return f"{statistics.median(there):.2f}", f"{statistics.median(here):.2f}", f"{ratio:.2f}"


@contextmanager
def _checked_out(reference: str, root: Path) -> Iterator[Path]:
    with TemporaryDirectory() as directory:
        tree = Path(directory) / "reference"
        git = ("git", "-C", str(root), "worktree")
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), reference], check=True)  # noqa: S603 - a developer names the commit
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)  # noqa: S603 - likewise


def _bench(tree: Path, tasks: int) -> Values:
    # From its own directory, and so with its own code.
    command = [sys.executable, "-m", "payment_worker.devstack.bench", "--json", "--tasks", str(tasks)]
    ran = subprocess.run(command, cwd=tree, check=True, capture_output=True, text=True)  # noqa: S603 - ourselves
    return {(each["figure"], each["unit"]): each["value"] for each in json.loads(ran.stdout)}
