"""Writes rows as CSV (RFC 4180) that a spreadsheet opens without running a cell as a formula."""

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final, TextIO

from payment_worker.telemetry.escaping import visible

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""A text that begins so is a formula to a spreadsheet; one that begins with an apostrophe never is."""


def write_csv(
    rows: Iterable[Mapping[str, object]], *, names: Sequence[str], file: TextIO | None = None
) -> None:
    """Write the rows with a heading, each line ended as the RFC wants it."""
    writer = csv.writer(file or sys.stdout, lineterminator="\r\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([cell(row[name]) for name in names])


def cell(value: object) -> object:
    """A value as a spreadsheet may have it; numbers stay numbers."""
    if isinstance(value, str):
        text = visible(value)
        return f"'{text}" if text.startswith(FORMULA) else text
    return value.isoformat() if isinstance(value, date) else value
