"""The console's pages of balances, a day's postings, and payouts."""

from datetime import UTC, datetime, time, timedelta
from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from payment_worker.console.context import Console
from payment_worker.console.overview import day_of
from payment_worker.store import stripe_identity
from payment_worker.store.queries import ledger as balances
from payment_worker.store.queries import payouts as paid_out
from payment_worker.store.queries import totals

ROWS: Final = 100
DAY: Final = timedelta(days=1)


def balance(console: Console, request: Request) -> Response:
    """`/balance`."""
    today = console.clock().date()
    day = day_of(request, today=today)
    midnight = datetime.combine(day, time(), tzinfo=UTC)
    with console.reading() as connection:
        found = balances.balances(connection)
        uncleared = balances.uncleared(connection, limit=ROWS)
        is_live = stripe_identity.is_live(connection)
        booked = totals.booked(connection, since=midnight, until=midnight + DAY)
    return console.pages.page(
        request,
        "balance.html",
        found=found,
        uncleared=uncleared,
        is_live=is_live,
        rows=ROWS,
        booked=booked,
        day=day,
        days=(day - DAY, day + DAY if day < today else None),
    )


def payouts(console: Console, request: Request) -> Response:
    """`/payouts`."""
    with console.reading() as connection:
        found = paid_out.newest(connection, limit=ROWS)
    return console.pages.page(request, "payouts.html", found=found, rows=ROWS)


def payout(console: Console, request: Request) -> Response:
    """`/payouts/{payout_id}`."""
    with console.reading() as connection:
        found = paid_out.find(connection, request.path_params["payout_id"])
        lines = paid_out.lines(connection, found.stripe_payout_id, limit=ROWS) if found else ()
        is_live = stripe_identity.is_live(connection)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "No such payout is imported.")
    return console.pages.page(request, "payout.html", payout=found, lines=lines, rows=ROWS, is_live=is_live)
