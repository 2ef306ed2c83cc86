"""Writes the journal and the trial balance of a month as files, reproducibly."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import typer

from payment_worker.cli.database import LONG_STATEMENT_SECONDS, records
from payment_worker.cli.views.printing import say
from payment_worker.cli.views.spreadsheet import write_csv
from payment_worker.store.connection.database import Connection
from payment_worker.store.queries import journal
from payment_worker.store.queries.journal import Month

_MONTH: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")

Rows = Callable[[Connection, Month], Iterator[Mapping[str, Any]]]

_FILES: Final[Mapping[str, tuple[Rows, tuple[str, ...]]]] = {
    "journal": (journal.journal, journal.JOURNAL),
    "trial-balance": (journal.trial_balance, journal.TRIAL_BALANCE),
}


def export(month: str, *, directory: Path, as_json: bool) -> None:
    """Write both files into the directory, and print their names."""
    period = _period(month)
    # In one transaction, so that both are of the same instant.
    with records(statement_seconds=LONG_STATEMENT_SECONDS) as connection:
        for name, (read_rows, columns) in _FILES.items():
            path = directory / f"ledger-{month}-{name}.{'jsonl' if as_json else 'csv'}"
            with path.open("w", encoding="utf-8", newline="") as file:
                rows = read_rows(connection, period)
                if as_json:
                    file.writelines(f"{json.dumps(row, default=_plain)}\n" for row in rows)
                else:
                    write_csv(rows, names=columns, file=file)
            say(str(path))


def _period(month: str) -> Month:
    match = _MONTH.fullmatch(month)
    if match is None or int(match[1]) < 1:
        raise typer.BadParameter("must be a month such as 2026-11", param_hint="--month")
    year, number = int(match[1]), int(match[2])
    next_month = (year + 1, 1) if number == 12 else (year, number + 1)  # noqa: PLR2004 - December
    return Month(datetime(year, number, 1, tzinfo=UTC), datetime(*next_month, 1, tzinfo=UTC))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
