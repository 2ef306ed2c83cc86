"""The console's pages of balances, a day's postings, and payouts."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from payment_worker.console.overview import day_of
from payment_worker.console.rendering import DAY, ROWS
from payment_worker.store.connection.database import Connection
from payment_worker.store.queries import ledger as balances
from payment_worker.store.queries import payouts as paid_out
from payment_worker.store.queries import totals


def balance(connection: Connection, request: Request) -> Mapping[str, Any]:
    """`/balance`."""
    day = day_of(request)
    return {
        "found": balances.balances(connection),
        "uncleared": balances.uncleared(connection, limit=ROWS),
        "booked": totals.booked(connection, since=day, until=day + DAY),
        "day": day,
    }


def payouts(connection: Connection, _: Request) -> Mapping[str, Any]:
    """`/payouts`."""
    return {"found": paid_out.newest(connection, limit=ROWS)}


def payout(connection: Connection, request: Request) -> Mapping[str, Any]:
    """`/payouts/{payout_id}`."""
    found = paid_out.find(connection, request.path_params["payout_id"])
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "No such payout is imported.")
    return {"payout": found, "lines": paid_out.lines(connection, found.stripe_payout_id, limit=ROWS)}
