"""Fetches single objects, and tells one that cannot be read from an answer that did not come."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from payment_worker.domain.booking import Booking
from payment_worker.domain.disputing import DisputeSeen
from payment_worker.domain.observation import PaymentSeen, RefundSeen
from payment_worker.domain.outcome import Absent, Postponed, Unanswered
from payment_worker.gateway.client import Gateway
from payment_worker.gateway.reading import (
    JSON,
    UnreadableError,
    booking_of,
    dispute_seen,
    payment_seen,
    refund_seen,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The object is there, in another shape than the pinned API version gives it: asking again is of no use."""


NotFetched = Absent | Unreadable | Unanswered | Postponed


def fetch_payment_intent(
    stripe: Gateway, stripe_payment_intent_id: str, *, account: str | None
) -> PaymentSeen | NotFetched:
    """The PaymentIntent as it is now."""
    path = f"/v1/payment_intents/{stripe_payment_intent_id}"
    return fetch(stripe, path, account, payment_seen, {"expand": ["latest_charge"]})


def fetch_refund(stripe: Gateway, stripe_refund_id: str, *, account: str | None) -> RefundSeen | NotFetched:
    """The Refund as it is now."""
    return fetch(stripe, f"/v1/refunds/{stripe_refund_id}", account, refund_seen)


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
        return Unreadable()
