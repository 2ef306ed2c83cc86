"""Prints payouts: a list, and one with its transactions."""

from collections.abc import Sequence
from dataclasses import asdict

from payment_worker.cli.database import records
from payment_worker.cli.errors import PROBLEMS
from payment_worker.cli.views.printing import complain, console, print_json, say, table
from payment_worker.cli.views.spreadsheet import write_csv
from payment_worker.domain.accounts import PLATFORM
from payment_worker.store.queries import payouts as queries
from payment_worker.store.queries.payouts import PayoutLine, PayoutRow
from payment_worker.telemetry.formats import instant, money

DONE = 0


def list_newest(*, limit: int, as_json: bool, as_csv: bool) -> int:
    """Print the newest; the exit status."""
    with records() as connection:
        payouts = queries.newest(connection, limit=limit)
    if as_json:
        print_json([_as_row(each) for each in payouts])
    elif as_csv:
        write_csv(map(_as_row, payouts), names=[*PayoutRow.__slots__, "difference"])
    else:
        grid = table("payout", "account", "amount", "state", "arrives", "sum of its lines")
        for each in payouts:
            grid.add_row(
                each.stripe_payout_id,
                each.stripe_account or PLATFORM,
                money(each.amount, each.currency),
                each.state,
                each.arrival_date.isoformat(),
                _compared(each),
            )
        console().print(grid)
    return PROBLEMS if any(each.difference for each in payouts) else DONE


def show(stripe_payout_id: str, *, as_json: bool, as_csv: bool) -> int:
    """Print one with its lines; the exit status."""
    with records() as connection:
        payout = queries.find(connection, stripe_payout_id)
        lines = queries.lines(connection, stripe_payout_id)
    if payout is None:
        complain(f"No payout {stripe_payout_id} is imported.")
        return PROBLEMS
    if as_json:
        print_json({"payout": _as_row(payout), "lines": [asdict(each) for each in lines]})
    elif as_csv:
        write_csv(map(asdict, lines), names=PayoutLine.__slots__)
    else:
        _print(payout, lines)
    return PROBLEMS if payout.difference else DONE


def _as_row(payout: PayoutRow) -> dict[str, object]:
    return {**asdict(payout), "difference": payout.difference}


def _compared(payout: PayoutRow) -> str:
    if payout.itemized_amount is None:
        return "not known yet" if payout.is_automatic else "Stripe does not say of a manual one"
    comparison = (
        "equal" if not payout.difference else f"differs by {money(payout.difference, payout.currency)}"
    )
    return f"{money(payout.itemized_amount, payout.currency)}, {comparison}"


def _print(payout: PayoutRow, lines: Sequence[PayoutLine]) -> None:
    say(f"{payout.stripe_payout_id}: {money(payout.amount, payout.currency)}, {payout.state}")
    say(f"arrives {payout.arrival_date}; sum of its lines: {_compared(payout)}")
    if payout.failure_code:
        say(f"failed: {payout.failure_code}")
    grid = table("at", "type", "source", "amount", "fee", "net")
    for each in lines:
        amounts = (money(amount, each.currency) for amount in (each.amount, each.fee, each.net))
        grid.add_row(instant(each.created_at)[:19], each.type, each.source_id or "", *amounts)
    console().print(grid)
