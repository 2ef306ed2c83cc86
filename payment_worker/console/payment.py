"""The console's page of one payment: its money, refunds, disputes and timeline."""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from payment_worker.console import charts
from payment_worker.console.context import Console
from payment_worker.domain.dispute import BLOCKING
from payment_worker.flows.timeline import story_of
from payment_worker.store import rejected_requests, stripe_identity
from payment_worker.store.connection.database import Connection
from payment_worker.store.queries import console as queries

MOST_REJECTED: Final = 20


def payment(console: Console, request: Request) -> Response:
    """`/payments/{payment_id}`."""
    payment_id: UUID = request.path_params["payment_id"]
    with console.reading() as connection:
        if not queries.exists(connection, payment_id):
            raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such payment.")
        story = story_of(connection, payment_id)
        disputes = queries.disputes(connection, payment_id)
        is_live = stripe_identity.is_live(connection)
        rejected = rejected_with(connection, str(payment_id))
    return console.pages.page(
        request,
        "payment.html",
        payment=story.payment,
        refunds=story.refunds,
        disputes=disputes,
        entries=story.entries,
        shares=charts.shares(list(_money(story.payment, disputes))),
        rejected=rejected,
        is_live=is_live,
        flower=_flower(console, payment_id),
    )


def _money(
    payment: Mapping[str, Any], disputes: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, str, int, str]]:
    """Each part of a payment's money: its name, its colour, its amount and its currency."""
    currency = payment["currency"]
    refunded = payment["amount_refunded"]
    yield "Requested", "plain", payment["amount"], currency
    yield "Authorised", "plain", payment["amount_authorized"], currency
    yield "Captured", "good", payment["amount_captured"], currency
    yield "Refunded", "bad", refunded, currency
    yield "Refunds under way", "warn", payment["amount_refund_reserved"] - refunded, currency
    for dispute in disputes:
        if dispute["status"] in BLOCKING:
            yield f"Disputed, {dispute['status']}", "bad", dispute["amount"], dispute["currency"]
    if payment["settlement_currency"]:
        yield "Stripe's fee", "warn", payment["fee"], payment["settlement_currency"]
        yield "Net after the fee", "good", payment["net"], payment["settlement_currency"]


def _flower(console: Console, payment_id: UUID) -> str | None:
    """Flower's list of the tasks whose arguments name this payment."""
    # Its page takes no free text, but puts what stands behind `name=` into its search as it is.
    return console.flower_url and f"{console.flower_url.rstrip('/')}/tasks?name=payment_worker%20{payment_id}"


def rejected_with(connection: Connection, identity: str) -> Sequence[rejected_requests.RejectedRequest]:
    """The rejected requests that carried this id."""
    if not identity:
        return ()
    return rejected_requests.carrying(connection, identity.lower(), limit=MOST_REJECTED) or (
        rejected_requests.carrying(connection, identity, limit=MOST_REJECTED)
    )
