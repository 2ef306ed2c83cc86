"""Prints the demo's final table: each scenario's payments in our tables and at Stripe."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.table import Table

from payment_worker.devstack.books import Account, Entry
from payment_worker.domain.money import CURRENCIES, decimal_string


@dataclass(frozen=True)
class ScenarioRow:
    """A scenario that was run or skipped."""

    title: str
    entries: list[Entry] = field(default_factory=list)
    skipped: bool = False


def table(rows: Sequence[ScenarioRow], theirs: str) -> Table:
    """One row per scenario; `theirs` names Stripe's side."""
    made = Table(box=None, padding=(0, 2, 1, 1), header_style="bold")
    for heading in ("Scenario", "Payments", "Our tables", theirs, ""):
        # The sums are what one compares: a narrow screen breaks the titles instead.
        made.add_column(heading, no_wrap=heading != "Scenario")
    for chapter in rows:
        made.add_row(chapter.title, *(("[dim]skipped[/]",) if chapter.skipped else _cells(chapter.entries)))
    return made


def _cells(entries: Sequence[Entry]) -> tuple[str, str, str, str]:
    statuses = Counter(entry.status for entry in entries)
    return (
        "\n".join(f"{count} {status.lower()}" for status, count in statuses.items()),
        _sums([(entry.currency, entry.ours) for entry in entries]),
        _sums([(entry.currency, entry.theirs) for entry in entries]),
        "[bold green]equal[/]" if all(entry.agrees for entry in entries) else "[bold red]DIFFERENT[/]",
    )


def _sums(accounts: Sequence[tuple[str, Account]]) -> str:
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for currency, account in accounts:
        totals[currency][0] += account.captured
        totals[currency][1] += account.refunded
    return "\n".join(_sum(currency, *total) for currency, total in totals.items())


def _sum(currency: str, captured: int, refunded: int) -> str:
    if currency not in CURRENCIES:
        return f"{captured} - {refunded}"
    paid = decimal_string(captured, CURRENCIES[currency])
    return f"{paid} [dim]- {decimal_string(refunded, CURRENCIES[currency])}[/]" if refunded else paid
