"""Fetches single objects beside PaymentIntents and Refunds: what a dispute is now, what was booked of a charge."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from payment_worker.domain.booking import Booking
from payment_worker.domain.disputing import DisputeSeen
from payment_worker.domain.outcome import Absent, Doubt, Postponed, Unanswered
from payment_worker.gateway.client import Gateway
from payment_worker.gateway.reading import JSON, UnreadableError, booking_of, dispute_seen

T = TypeVar("T")

NotFetched = Absent | Unanswered | Postponed


def fetch_dispute(
    stripe: Gateway, stripe_dispute_id: str, *, account: str | None
) -> DisputeSeen | NotFetched:
    """The dispute as it is now."""
    return fetch(stripe, f"/v1/disputes/{stripe_dispute_id}", account, dispute_seen)


def fetch_booking(
    stripe: Gateway, stripe_balance_transaction_id: str, *, account: str | None
) -> Booking | NotFetched:
    """What a balance transaction says."""
    return fetch(stripe, f"/v1/balance_transactions/{stripe_balance_transaction_id}", account, booking_of)


def fetch(
    stripe: Gateway,
    path: str,
    account: str | None,
    read: Callable[[JSON], T],
    params: Mapping[str, Any] = MappingProxyType({}),
) -> T | NotFetched:
    """What is read of the object at this path."""
    body = stripe.read(path, params, account=account)
    if isinstance(body, Absent | Unanswered | Postponed):
        return body
    try:
        return read(body)
    except UnreadableError:
        return Unanswered(Doubt.BROKEN_ANSWER)
