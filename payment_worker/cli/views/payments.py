"""Prints payments that match a filter."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from payment_worker.cli.database import records
from payment_worker.cli.views.printing import console, is_narrow, print_json, stacked, table
from payment_worker.contracts.requests import ReconcileRequest, parse
from payment_worker.domain.payment import PaymentStatus
from payment_worker.store.connection.database import Connection
from payment_worker.store.queries.search import Page, Search, payments
from payment_worker.telemetry.formats import instant, money

Payment = Mapping[str, Any]


def show(
    *,
    status: PaymentStatus | None,
    since: str | None,
    until: str | None,
    order_id: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Print the newest that match."""
    period = parse(ReconcileRequest, {"since": since, "until": until})
    search = Search(status=status, since=period.since, until=period.until, order_id=order_id)
    with records() as connection:
        rows = _newest(connection, search, limit)
    if as_json:
        print_json(rows)
    else:
        console().print(_listed(rows) if rows else "No such payments.")


def _newest(connection: Connection, search: Search, limit: int) -> list[Payment]:
    """From as many pages as it takes: each looks at a limited number of payments."""
    rows: list[Payment] = []
    page = Page([], None)
    while True:
        page = payments(connection, search, before=page.next_place, limit=limit - len(rows))
        rows += page.rows
        if page.next_place is None or len(rows) == limit:
            return rows


def _listed(rows: Sequence[Payment]) -> Table:
    if is_narrow():
        return stacked(_narrow(rows))
    grid = table("Requested (UTC)", "Payment", "Order", "Amount", "Status", "Reason")
    grid.columns[1].no_wrap = True  # it is there to be copied
    for each in rows:
        requested_at, amount = instant(each["created_at"])[:16], money(each["amount"], each["currency"])
        texts = (str(each["payment_id"]), each["order_id"], amount, each["status"], _reason(each))
        grid.add_row(requested_at, *map(escape, texts))
    return grid


def _narrow(rows: Sequence[Payment]) -> Iterator[tuple[str, str, str]]:
    for each in rows:
        amount, reason = money(each["amount"], each["currency"]), _reason(each)
        details = " · ".join(text for text in (f"order {each['order_id']}", reason) if text)
        line = f"{each['payment_id']}\n{amount}  {each['status']}"
        yield instant(each["created_at"])[:16], escape(line), escape(details)


def _reason(payment: Payment) -> str:
    reasons = (
        payment["failure_reason"],
        payment["decline_code"],
        "disputed" if payment["is_disputed"] else "",
    )
    return ", ".join(reason for reason in reasons if reason)
