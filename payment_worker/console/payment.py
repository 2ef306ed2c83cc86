"""The console's page of one payment: its money, refunds, disputes and timeline."""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request

from payment_worker.console.rendering import ROWS
from payment_worker.domain.dispute import BLOCKING
from payment_worker.flows.timeline import story_of
from payment_worker.store import rejected_requests
from payment_worker.store.connection.database import Connection
from payment_worker.store.queries import console as queries

Share = tuple[str, str, int, str]
"""A part of a payment's money: its name, its colour, its amount and its currency."""


def payment(connection: Connection, request: Request) -> Mapping[str, Any]:
    """`/payments/{payment_id}`."""
    payment_id: UUID = request.path_params["payment_id"]
    if not queries.exists(connection, payment_id):
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such payment.")
    story = story_of(connection, payment_id)
    disputes = queries.disputes(connection, payment_id)
    shares = [share for share in _shares(story.payment, disputes) if share[2]]
    return {
        "payment": story.payment,
        "refunds": story.refunds,
        "disputes": disputes,
        "entries": story.entries,
        "shares": shares,
        # A bar is as long as it is of the greatest amount of its currency.
        "most": {at: max(abs(amount) for *_, amount, other in shares if other == at) for *_, at in shares},
        "rejected": rejected_requests.carrying(connection, str(payment_id), limit=ROWS),
    }


def _shares(payment: Mapping[str, Any], disputes: Sequence[Mapping[str, Any]]) -> Iterator[Share]:
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
