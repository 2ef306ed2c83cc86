"""Prints the progress of a balance import, and Stripe's balance beside the ledger's."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from payment_worker import bootstrap
from payment_worker.cli.database import LONG_STATEMENT_SECONDS, operator, records
from payment_worker.cli.errors import PROBLEMS
from payment_worker.cli.views.printing import complain, console, print_json, progress, say, table
from payment_worker.contracts.requests import ImportBalanceRequest, parse
from payment_worker.domain.accounts import PLATFORM
from payment_worker.domain.findings.kinds import IN_LEDGER
from payment_worker.flows.context import Context
from payment_worker.flows.ledger.import_balance import ImportOptions
from payment_worker.flows.ledger.run import AccountImport, import_balance
from payment_worker.store.ledger.balance_imports import BalanceImport
from payment_worker.store.queries import ledger as queries
from payment_worker.store.queries.ledger import BalanceRow
from payment_worker.store.reconciliation import findings
from payment_worker.store.reconciliation.findings import Finding, FindingStatus
from payment_worker.telemetry import configure
from payment_worker.telemetry.formats import instant, money

DONE = 0
BUSY = "Another import is at work; this one left."
MOST_FINDINGS = 1000


def run_import(*, since: str | None, as_json: bool) -> int:
    """Import, and print what came of it; the exit status."""
    context = _context("ledger import")
    results = _import(context, since=_instant(since), is_shown=not as_json)
    if results is None:
        complain(BUSY)
        return PROBLEMS
    not_read = [each.stripe_account or PLATFORM for each in results if not each.is_read]
    differing = sum(bool(proof.difference) for each in results for proof in each.proofs)
    if as_json:
        print_json({"accounts": len(results), "unread": not_read, "differing": differing})
    else:
        say(
            f"{len(results) - len(not_read)} of {len(results)} accounts imported; {differing} balances differ."
        )
        for name in not_read:
            say(f"{name}: Stripe does not answer; the next import resumes.")
    return PROBLEMS if not_read or differing else DONE


def balance(*, at: str | None, as_json: bool) -> int:
    """Print every balance; the exit status."""
    context, moment = _context("balance"), _instant(at)
    results: Sequence[AccountImport] | None = ()
    if moment is None:
        results = _import(context, since=None, is_shown=not as_json)
        if any(proof.difference for each in results or () for proof in each.proofs):
            with context.database.begin() as connection:
                begin = queries.imported_since(connection)
            results = _import(context, since=begin, is_shown=not as_json)
    with records(statement_seconds=LONG_STATEMENT_SECONDS) as connection:
        rows = queries.balances(connection, at=moment)
        open_findings = (
            [] if moment else findings.found(connection, statuses=[FindingStatus.OPEN], limit=MOST_FINDINGS)
        )
    ledger_findings = [each for each in open_findings if each.kind in IN_LEDGER]
    if as_json:
        print_json([_as_json(row) for row in rows])
    else:
        _print(rows, ledger_findings)
    is_proven = results is not None and all(each.proofs for each in results)
    if not is_proven:
        complain(BUSY if results is None else "Stripe did not show a balance that stood still: try again.")
    return DONE if is_proven and not any(row.difference for row in rows) else PROBLEMS


def _context(command: str) -> Context:
    # The screen says it all; what else a log has to say is for workers.
    configure(log_format="auto", level="ERROR")
    return bootstrap.context(actor=f"payment-worker {command} by {operator()}")


def _instant(text: str | None) -> datetime | None:
    return parse(ImportBalanceRequest, {"since": text}).since


def _import(context: Context, *, since: datetime | None, is_shown: bool) -> Sequence[AccountImport] | None:
    settings = bootstrap.settings()
    with progress(total=1, is_shown=is_shown) as update:

        def on_page(state: BalanceImport, read_back_to: datetime) -> None:
            account = state.stripe_account or PLATFORM
            update(f"{account}: back to {instant(read_back_to)[:16]}", _part(state, read_back_to))

        options = ImportOptions(
            overlap=timedelta(seconds=settings.poll_overlap),
            clear_within=timedelta(seconds=settings.clear_within),
            since=since,
            on_page=on_page,
        )
        return import_balance(context, options)


def _as_json(row: BalanceRow) -> dict[str, Any]:
    names = ("stripe_account", "currency", "stripe", "available", "ledger", "difference", "uncleared")
    further_names = (
        "oldest_uncleared_at",
        "unexplained",
        "oldest_at",
        "oldest_amount",
        "explained_shares",
        "proven_at",
    )
    return {name: getattr(row, name) for name in (*names, *further_names)}


def _print(rows: Sequence[BalanceRow], open_findings: Sequence[Finding]) -> None:
    if not rows:
        say("Nothing is imported yet: there was no payment.")
        return
    grid = table("account", "Stripe", "ledger", "difference", "unexplained", "oldest", "explained")
    for row in rows:
        grid.add_row(
            row.stripe_account or PLATFORM,
            _money(row.stripe, row.currency),
            _money(row.ledger, row.currency),
            _money(row.difference, row.currency),
            _money(row.uncleared + row.unexplained, row.currency),
            f"{_money(row.oldest_amount, row.currency)} {instant(row.oldest_at)[:16]}"
            if row.oldest_at
            else "",
            f"{100 * row.explained_shares['any']:.3f} %",
        )
    console().print(grid)
    for each in open_findings:
        say(
            f"{each.kind} {each.object_id}: ours {each.detail.get('ours')}, theirs {each.detail.get('theirs')}"
        )


def _money(amount: int | None, currency: str) -> str:
    return f"? {currency}" if amount is None else money(amount, currency)


def _part(state: BalanceImport, read_back_to: datetime) -> float:
    """How much of its window is read: it is read backwards."""
    if state.window_newest is None or state.window_since is None:
        return 1
    window = state.window_newest - state.window_since
    return min(max((state.window_newest - read_back_to) / window, 0), 1) if window else 1
