"""What an event is about: told by its own snapshot where that cannot be out of date, else fetched again."""

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, Final, assert_never

from payment_worker.domain.dispute import DisputeSnapshot
from payment_worker.domain.outcome import Shown
from payment_worker.domain.payment import PaymentStatus
from payment_worker.domain.snapshots import RefundSnapshot
from payment_worker.flows.context import World
from payment_worker.flows.events.charge import handle_charge
from payment_worker.flows.events.dispute import handle_dispute
from payment_worker.flows.events.payment_intent import FOREIGN, catch_up, handle_payment
from payment_worker.flows.events.refund import handle_refund, handle_refunds
from payment_worker.flows.events.result import Heard, Later, ignore, over, unfetched
from payment_worker.flows.transitions.ownership import owner
from payment_worker.gateway.client import fetch_dispute
from payment_worker.gateway.parsing import (
    UnreadableError,
    dispute_snapshot,
    id_of,
    payment_intent_snapshot,
    refund_snapshot,
)
from payment_worker.gateway.webhook import PINNED_VERSION
from payment_worker.store import payments
from payment_worker.store.inbox import EventStatus, InboxEvent


class Subject(Enum):
    """What kind of object an event carries."""

    PAYMENT_INTENT = auto()
    REFUND = auto()
    REFUNDED_CHARGE = auto()
    CHARGE = auto()
    DISPUTE = auto()


SUBJECTS: Final[Mapping[str, Subject]] = MappingProxyType(
    {
        "payment_intent.succeeded": Subject.PAYMENT_INTENT,
        "payment_intent.payment_failed": Subject.PAYMENT_INTENT,
        "payment_intent.processing": Subject.PAYMENT_INTENT,
        "payment_intent.canceled": Subject.PAYMENT_INTENT,
        "payment_intent.requires_action": Subject.PAYMENT_INTENT,
        "payment_intent.amount_capturable_updated": Subject.PAYMENT_INTENT,
        "refund.created": Subject.REFUND,
        "refund.updated": Subject.REFUND,
        "refund.failed": Subject.REFUND,
        "charge.refund.updated": Subject.REFUND,
        "charge.refunded": Subject.REFUNDED_CHARGE,
        "charge.succeeded": Subject.CHARGE,
        "charge.failed": Subject.CHARGE,
        "charge.updated": Subject.CHARGE,
        "charge.dispute.created": Subject.DISPUTE,
        "charge.dispute.updated": Subject.DISPUTE,
        "charge.dispute.closed": Subject.DISPUTE,
        "charge.dispute.funds_withdrawn": Subject.DISPUTE,
        "charge.dispute.funds_reinstated": Subject.DISPUTE,
    }
)
"""The events that matter to us; all others are kept as ignored. Stripe's list takes at most 20 types at once."""


def hear(world: World, event: InboxEvent) -> Heard | Later:
    """Settle an event that is ours to settle, and mark it in the same transaction."""
    subject = SUBJECTS.get(event.type)
    if subject is None:
        return ignore(world, event, "not a type that we use")
    if event.livemode is not world.policy.livemode:
        return ignore(world, event, "of the other mode: live and test are kept apart")
    about: Mapping[str, Any] = event.payload["data"]["object"]
    try:
        match subject:
            case Subject.PAYMENT_INTENT:
                return _payment_intent(world, event, about)
            case Subject.REFUND:
                return _refund(world, event, about)
            case Subject.REFUNDED_CHARGE:
                return _refunded_charge(world, event, about)
            case Subject.CHARGE:
                return handle_charge(world, event, about)
            case Subject.DISPUTE:
                return _dispute(world, event, about)
            case _:
                assert_never(subject)
    except (UnreadableError, KeyError, TypeError, AttributeError) as fault:
        return Later(f"its object cannot be read ({type(fault).__name__})")


def _payment_intent(world: World, event: InboxEvent, about: Mapping[str, Any]) -> Heard | Later:
    seen = payment_intent_snapshot(about) if event.api_version == PINNED_VERSION else None
    return handle_payment(
        world,
        event,
        payment_intent=about["id"],
        named=(about.get("metadata") or {}).get("payment_id"),
        snapshot=seen if seen and seen.is_timeless else None,
    )


def _refund(world: World, event: InboxEvent, about: Mapping[str, Any]) -> Heard | Later:
    if event.api_version == PINNED_VERSION:
        return handle_refund(world, event, refund_snapshot(about))
    sighting = world.stripe.refund(about["id"], account=event.stripe_account or None)
    if isinstance(sighting, Shown) and isinstance(sighting.seen, RefundSnapshot):
        return handle_refund(world, event, sighting.seen)
    return unfetched("the Refund", sighting)


def _dispute(world: World, event: InboxEvent, about: Mapping[str, Any]) -> Heard | Later:
    if event.api_version == PINNED_VERSION:
        return handle_dispute(world, event, dispute_snapshot(about))
    seen = fetch_dispute(world.stripe, about["id"], account=event.stripe_account or None)
    if isinstance(seen, DisputeSnapshot):
        return handle_dispute(world, event, seen)
    return unfetched("the dispute", seen)


def _refunded_charge(world: World, event: InboxEvent, about: Mapping[str, Any]) -> Heard | Later:
    """A charge tells how much of it is refunded in all, never by which refund: they are listed."""
    intent = id_of(about.get("payment_intent"))
    named = (about.get("metadata") or {}).get("payment_id")
    with world.database.begin() as connection:
        payment_id = owner(connection, payment_intent=intent, named=named, account=event.stripe_account)
        payment = payments.find(connection, payment_id) if payment_id else None
        if payment_id is None or payment is None or intent is None:
            return over(world, connection, event, EventStatus.IGNORED, FOREIGN)
        if about["amount_refunded"] <= payment.amount_refunded:
            return over(world, connection, event, EventStatus.PROCESSED, "nothing new")
    if payment.status is not PaymentStatus.SUCCEEDED:
        later = catch_up(world, payment_id, intent, because=f"event {event.type}")
        if later is not None and later.delay:
            return later
    return handle_refunds(world, event, replace(payment, stripe_payment_intent_id=intent))
