"""The worker's promise as a story of a minute: money moves, things break, the books agree to the cent."""

import sys
import time
from collections import defaultdict
from collections.abc import Sequence

from rich.table import Table
from sqlalchemy import create_engine

from payment_worker.devstack.binaries import MissingProgramError
from payment_worker.devstack.books import Account, Entry, Ledger, SimulatorLedger, StripeLedger, compare
from payment_worker.devstack.processes import ProcessEndedError
from payment_worker.devstack.screen import Screen
from payment_worker.devstack.stack import RefusedError, Stack, running
from payment_worker.devstack.stories import STORIES, Story, World
from payment_worker.devstack.waiting import DeadlineMissedError
from payment_worker.domain.money import CURRENCIES, decimal_string
from payment_worker.settings import SettingsError

_DONE, _PROBLEMS, _WRONG_USAGE, _INTERRUPTED = 0, 1, 2, 130


def run() -> int:
    """Tell every story, and compare the books.

    Returns:
        0 when they agree to the cent, 1 when anything differs or fails, 2 when the given settings are
        unusable, 130 after Ctrl-C.
    """
    screen, began = Screen(), time.monotonic()
    try:
        screen.title("The stack")
        with running(screen) as stack:
            return _tell(screen, stack, began)
    except (RefusedError, SettingsError, MissingProgramError) as error:
        screen.fault(str(error))
        return _WRONG_USAGE
    except (DeadlineMissedError, ProcessEndedError) as error:
        screen.fault(str(error))
        return _PROBLEMS
    except KeyboardInterrupt:
        screen.note("Interrupted; everything that was started has ended.")
        return _INTERRUPTED


def _tell(screen: Screen, stack: Stack, began: float) -> int:
    database = create_engine(_sqlalchemy_url(stack.settings["DATABASE_URL"]))
    world = World(stack, database)
    chapters: list[tuple[Story, list[Entry] | None]] = []
    screen.title("The stories")
    try:
        for story in STORIES:
            if story.needs_faults and stack.simulator is None:
                screen.note(f"{story.title}: skipped, it needs the simulator's faults")
                chapters.append((story, None))
                continue
            with screen.step(story.title) as step:
                told = story.tell(world)
                step.detail = told.seen
            chapters.append((story, compare(database, _ledger(stack), told.payment_ids)))
    except (DeadlineMissedError, ProcessEndedError):
        screen.fault(f"The worker's last words:\n{stack.processes['worker'].tail()}")
        raise
    finally:
        database.dispose()
    screen.title("The books")
    screen.console.print(_books(chapters, "the simulator's ledger" if stack.simulator else "Stripe"))
    entries = [entry for _, told_entries in chapters for entry in told_entries or ()]
    return _verdict(screen, entries, time.monotonic() - began)


def _sqlalchemy_url(url: str) -> str:
    return "postgresql+psycopg2://" + url.partition("://")[2]


def _ledger(stack: Stack) -> Ledger:
    if stack.simulator:
        return SimulatorLedger(stack.simulator)
    base = stack.settings.get("STRIPE_API_BASE", "https://api.stripe.com")
    return StripeLedger(base, stack.settings["STRIPE_API_KEY"])


def _books(chapters: Sequence[tuple[Story, list[Entry] | None]], theirs: str) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 1), header_style="bold", show_edge=False)
    for heading in ("Story", "Payments", "Our tables", theirs.capitalize(), ""):
        table.add_column(heading)
    for story, entries in chapters:
        if entries is None:
            table.add_row(story.title, "[dim]skipped[/]")
            continue
        agrees = all(entry.agrees for entry in entries)
        table.add_row(
            story.title,
            _statuses(entries),
            _sums(entries, ours=True),
            _sums(entries, ours=False),
            "[bold green]equal[/]" if agrees else f"[bold red]{_differences(entries)}[/]",
            end_section=True,
        )
        table.add_row()
    return table


def _statuses(entries: Sequence[Entry]) -> str:
    counts: dict[str, int] = defaultdict(int)
    for entry in entries:
        counts[entry.status] += 1
    return "\n".join(f"{count} {status.lower()}" for status, count in counts.items())


def _sums(entries: Sequence[Entry], *, ours: bool) -> str:
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for entry in entries:
        account: Account = entry.ours if ours else entry.theirs
        totals[entry.currency][0] += account.captured
        totals[entry.currency][1] += account.refunded
    return "\n".join(_sum(currency, *total) for currency, total in totals.items())


def _sum(currency: str, captured: int, refunded: int) -> str:
    if currency not in CURRENCIES:
        return f"{captured} - {refunded}"
    paid = decimal_string(captured, CURRENCIES[currency])
    return f"{paid} [dim]- {decimal_string(refunded, CURRENCIES[currency])}[/]" if refunded else paid


def _differences(entries: Sequence[Entry]) -> str:
    wrong = [entry for entry in entries if not entry.agrees]
    return "\n".join(f"{entry.payment_id}: taken {entry.theirs.effects} times" for entry in wrong)


def _verdict(screen: Screen, entries: Sequence[Entry], seconds: float) -> int:
    wrong = [entry for entry in entries if not entry.agrees]
    if wrong:
        screen.fault(f"{len(wrong)} of {len(entries)} payments differ.")
        return _PROBLEMS
    screen.console.print(
        f"[bold green]{len(entries)} payments, both books equal to the cent, nothing taken twice.[/] "
        f"[dim]{seconds:.0f} s[/]"
    )
    return _DONE


if __name__ == "__main__":
    sys.exit(run())
