"""Prints tables on terminals, plain text into files, and JSON with `--json`."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from payment_worker.telemetry.escaping import visible, visible_json

_FILE_WIDTH: Final = 160
"""A file has no edge; rich takes 80 columns for one, which breaks most lines."""

_TABLE_WIDTH: Final = 120
"""With less, columns of ids and sentences are so narrow that both are broken."""


class Screen(Console):
    """rich's console, to which nothing from outside gets through but as text that can be read."""

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401 - rich's own, passed on
        """Text with its markup; all that is printed as a string comes through here."""
        return super().render_str(visible(text), **options)


@cache
def console() -> Screen:
    """Standard output."""
    screen = Screen(highlight=False, soft_wrap=False)
    if not screen.is_terminal and "COLUMNS" not in os.environ:
        screen.width = _FILE_WIDTH
    return screen


def print_json(value: object) -> None:
    """Write it as JSON: instants in ISO 8601, dataclasses as objects."""
    text = json.dumps(value, default=_plain, indent=2, ensure_ascii=False)
    sys.stdout.write(visible_json(text) + "\n")


def print_json_line(value: object) -> None:
    """Write it as JSON in one line."""
    sys.stdout.write(visible_json(json.dumps(value, default=_plain, ensure_ascii=False)) + "\n")


def say(text: str) -> None:
    """Write a line to standard output as it is, unfolded."""
    sys.stdout.write(f"{visible(text)}\n")


def complain(text: str) -> None:
    """Write a line to standard error."""
    sys.stderr.write(f"{visible(text)}\n")


def table(*headings: str) -> Table:
    """An empty table as all of ours look."""
    new = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
    for heading in headings:
        new.add_column(heading, overflow="fold")
    return new


def is_narrow() -> bool:
    """Whether the screen has too few columns for a table."""
    return console().width < _TABLE_WIDTH


def stacked(rows: Iterable[tuple[str, str, str]]) -> Table:
    """What a narrow screen has in the place of a table: a label, what it is about, and the rest dim beneath it.

    Lines are broken between words, and an id is one.
    """
    grid = Table.grid(padding=(0, 2, 0, 0))
    for label, line, details in rows:
        grid.add_row(label, f"{line}\n[dim]{details}[/]" if details else line)
    return grid


@contextmanager
def progress(*, total: float, is_shown: bool) -> Iterator[Callable[[str, float], None]]:
    """A bar on standard error, where that is a terminal; what it is called with are the step and what is done."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    screen = Screen(stderr=True)
    with Progress(
        *columns, console=screen, transient=True, disable=not (is_shown and screen.is_terminal)
    ) as bar:
        task = bar.add_task("begins", total=total)
        yield lambda step, done: bar.update(task, description=step, completed=done)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)
