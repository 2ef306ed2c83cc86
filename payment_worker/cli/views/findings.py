"""Prints reconciliation findings as a table, CSV or JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from enum import Enum, auto
from typing import Final

from rich.markup import escape
from rich.table import Table

from payment_worker.cli.database import now, operator, records
from payment_worker.cli.errors import PROBLEMS
from payment_worker.cli.views.printing import complain, console, print_json, table
from payment_worker.cli.views.spreadsheet import write_csv
from payment_worker.contracts.requests import ReconcileRequest, parse
from payment_worker.flows.operator_decisions import close_finding
from payment_worker.store.reconciliation import findings, reconciliation_runs
from payment_worker.store.reconciliation.findings import Finding, FindingStatus
from payment_worker.store.reconciliation.reconciliation_runs import Run

RUNS: Final = 5
"""Reconciliations that the report begins with."""


class Form(Enum):
    """How it is printed."""

    TABLE = auto()
    JSON = auto()
    CSV = auto()


def report(*, show: str, since: str | None, until: str | None, limit: int, form: Form) -> int:
    """Print runs and findings; the exit status says whether any is open."""
    period = parse(ReconcileRequest, {"since": since, "until": until})
    with records() as connection:
        runs = reconciliation_runs.newest(connection, limit=RUNS)
        listed = findings.found(
            connection, statuses=_statuses(show), since=period.since, until=period.until, limit=limit
        )
        is_open = bool(findings.found(connection, statuses=[FindingStatus.OPEN], limit=1))
    match form:
        case Form.JSON:
            print_json({"runs": runs, "findings": listed})
        case Form.CSV:
            _write_csv(listed)
        case Form.TABLE:
            console().print(_runs(runs) if runs else "Nothing was reconciled yet.")
            console().print()
            console().print(_findings(listed) if listed else f"No findings ({show}).")
    return PROBLEMS if is_open else 0


def show(*, which: str, limit: int, as_json: bool) -> None:
    """Print findings alone."""
    with records() as connection:
        listed = findings.found(connection, statuses=_statuses(which), limit=limit)
    if as_json:
        print_json(listed)
    else:
        console().print(_findings(listed) if listed else f"No findings ({which}).")


def close(finding_id: int, *, reason: str) -> bool:
    """Close a finding as decided by whoever is at the keyboard; whether it was open."""
    with records() as connection:
        is_closed = close_finding(connection, finding_id, reason=reason, actor=operator(), now=now())
    if is_closed:
        console().print(f"Finding {finding_id} is closed.")
    else:
        complain(f"No open finding: {finding_id}")
    return is_closed


def _statuses(status: str) -> Sequence[FindingStatus]:
    return list(FindingStatus) if status == "all" else [FindingStatus(status.upper())]


def _runs(runs: Sequence[Run]) -> Table:
    grid = table("Run", "Period", "Status", "Compared", "Repaired", "Left open", "Closed")
    for run in runs:
        grid.add_row(
            str(run.run_id),
            f"{_minute(run.since)} until {_minute(run.until)}",
            run.status if run.is_finished else f"{run.status}: {run.step}",
            f"{run.payments} payments, {run.refunds} refunds, {run.disputes} disputes",
            str(run.repaired),
            str(run.left_open),
            str(run.closed),
        )
    return grid


def _findings(findings: Sequence[Finding]) -> Table:
    grid = table("Id", "Finding", "Status", "Object, payment", "Ours", "Stripe's", "Found")
    grid.columns[3].no_wrap = True  # it is there to be copied
    for finding in findings:
        grid.add_row(
            str(finding.finding_id),
            finding.kind,
            escape(f"{finding.status}\n{_closing(finding)}".rstrip()),
            escape(f"{finding.object_id}\n{finding.payment_id or ''}"),
            escape(_side(finding.detail.get("ours"))),
            escape(_side(finding.detail.get("theirs", finding.detail.get("unknown_reason")))),
            _minute(finding.found_at),
        )
    return grid


def _side(value: object) -> str:
    return "nothing" if value is None else str(value)


def _closing(finding: Finding) -> str:
    """Who closed it last and why, if a person did; it may have been found again since."""
    return f"{finding.closed_by}: {finding.close_reason}" if finding.closed_by else ""


def _write_csv(findings: Sequence[Finding]) -> None:
    rows = [{**asdict(each), "detail": json.dumps(each.detail, sort_keys=True)} for each in findings]
    write_csv(rows, names=list(Finding.__slots__))


def _minute(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M")
