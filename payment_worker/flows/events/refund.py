"""Hearing of a Refund: ours, whoever made it first known, or one made in the dashboard, which is adopted."""

from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from payment_worker.domain import transitions
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.domain.refund import LOST, Refund, RefundStatus
from payment_worker.domain.snapshots import RefundSnapshot
from payment_worker.domain.transitions import Advanced, Contradicted, NoRoom, RefundVerdict, Unchanged
from payment_worker.flows.context import World
from payment_worker.flows.events.payment_intent import FOREIGN, catch_up, owner_of_intent
from payment_worker.flows.events.result import Heard, Later, over, unfetched
from payment_worker.flows.transitions.contradictions import refund_contradicted
from payment_worker.flows.transitions.messages import refund_message
from payment_worker.flows.transitions.ownership import as_uuid
from payment_worker.flows.transitions.payments import (
    Writes,
    apply_known_refund,
    payment_writes,
    present,
    refund_transition,
    refund_writes,
)
from payment_worker.store import payments, refunds
from payment_worker.store.database import Connection
from payment_worker.store.history import Cause
from payment_worker.store.inbox import EventStatus, InboxEvent
from payment_worker.store.statements import write

ADOPTED: Final = UUID("6f6e6520-646f-6f72-8000-616461707465")
"""The namespace of the ids that adopted refunds get: the same Refund of Stripe's always gets the same."""


def handle_refund(world: World, event: InboxEvent, seen: RefundSnapshot) -> Heard | Later:
    """Settle news of a Refund. Its states only move forward, so no snapshot of it is too old to be heard."""
    payment_id = _owner(world, event, seen)
    if isinstance(payment_id, Later):
        return payment_id
    if payment_id is None:
        with world.database.begin() as connection:
            return over(world, connection, event, EventStatus.IGNORED, FOREIGN)
    with world.database.begin() as connection:
        verdict, writes = apply_refund(world, connection, payment_id, seen, cause=_cause(world, event))
        match verdict:
            case Advanced():
                return over(world, connection, event, EventStatus.PROCESSED, "news", writes=writes)
            case Unchanged():
                return over(world, connection, event, EventStatus.PROCESSED, "nothing new")
            case Contradicted(contradiction):
                return over(world, connection, event, EventStatus.PARKED, contradiction)
            case NoRoom():
                pass
    if seen.stripe_payment_intent_id:
        later = catch_up(world, payment_id, seen.stripe_payment_intent_id, because=f"event {event.type}")
        if later is not None:
            return later
    return Later("the payment does not show the refunded money yet")


def handle_refunds(world: World, event: InboxEvent, payment: Payment) -> Heard | Later:
    """Settle every Refund of a payment, as Stripe lists them now."""
    listed = world.stripe.refunds_of(payment.payment_intent, account=payment.stripe_account)
    if not isinstance(listed, list):
        return unfetched("the list of Refunds", listed)
    verdicts: list[RefundVerdict] = []
    for seen in listed:
        with world.database.begin() as connection:
            verdict, writes = apply_refund(
                world, connection, payment.payment_id, seen, cause=_cause(world, event)
            )
            write(connection, writes)
            verdicts.append(verdict)
    if any(isinstance(verdict, NoRoom) for verdict in verdicts):
        return Later("the payment does not show the refunded money yet")
    with world.database.begin() as connection:
        contradicted = next((each for each in verdicts if isinstance(each, Contradicted)), None)
        if contradicted:
            return over(world, connection, event, EventStatus.PARKED, contradicted.contradiction)
        return over(world, connection, event, EventStatus.PROCESSED, "its refunds were settled")


def _cause(world: World, event: InboxEvent) -> Cause:
    return world.because(f"event {event.type}", event_id=event.event_id)


def _owner(world: World, event: InboxEvent, seen: RefundSnapshot) -> UUID | Later | None:
    """Whose refund it is."""
    with world.database.begin() as connection:
        if known := refunds.find_by_stripe(connection, seen.stripe_refund_id):
            return known.payment_id
    return owner_of_intent(world, seen.stripe_payment_intent_id, account=event.stripe_account or None)


def apply_refund(
    world: World, connection: Connection, payment_id: UUID, seen: RefundSnapshot, *, cause: Cause
) -> tuple[RefundVerdict, Writes]:
    """Settle a Refund of this payment under its lock: the refund that it is, or one that is adopted."""
    now = world.clock()
    payment = payments.lock(connection, payment_id)
    if payment is None:
        raise AssertionError("payments are never deleted while a refund names them")
    if payment.status is not PaymentStatus.SUCCEEDED and seen.trigger not in LOST:
        return NoRoom(), []
    known = known_refund(connection, payment, seen)
    waits = waiting(connection, known, seen) if known else None
    if known and waits:
        verdict = transitions.adopt_refund(payment, waits, seen)
        writes = (
            refund_writes((payment, known), verdict, cause=cause, now=now)
            if isinstance(verdict, Advanced)
            else []
        )
        return verdict, writes
    if known:
        verdict, writes = apply_known_refund(payment, known, seen, cause=cause, now=now)
        if isinstance(verdict, Contradicted):
            refund_contradicted(world, connection, payment, known, seen)
        return verdict, writes
    return _adopt(payment, _new(connection, payment, seen), seen, cause=cause, now=now)


def known_refund(connection: Connection, payment: Payment, seen: RefundSnapshot) -> Refund | None:
    """Our refund that this Refund is: by its own id, or by the one that it names, if that is not another already."""
    if by_stripe := refunds.find_by_stripe(connection, seen.stripe_refund_id):
        return by_stripe
    named = refunds.find(connection, refund_id) if (refund_id := as_uuid(seen.refund_id)) else None
    # Metadata is anybody's to write: a refund that already is another one, or another payment's, is not this one.
    if named and named.payment_id == payment.payment_id and named.stripe_refund_id is None:
        return named
    return None


def waiting(connection: Connection, refund: Refund, seen: RefundSnapshot) -> Refund | None:
    """A refund that waits and has reserved nothing, as it was asked for; None where it does not.

    Stripe has such a one only where our record was restored to an older point. How much all that was left came to,
    where that was asked for, is for Stripe to say.
    """
    request = refunds.request_of(connection, refund.refund_id)
    if request is None or request["waits_until"] is None:
        return None
    return refund if request["amount_was_given"] else replace(refund, amount=seen.amount)


def _new(connection: Connection, payment: Payment, seen: RefundSnapshot) -> Refund:
    """The row of a Refund that we do not have: under its own name if it is one that we lost."""
    named = as_uuid(seen.refund_id)
    is_lost = named is not None and refunds.find(connection, named) is None
    return Refund(
        refund_id=named if named and is_lost else uuid5(ADOPTED, seen.stripe_refund_id),
        payment_id=payment.payment_id,
        # As it was then, so that readers get the message under the id that they know.
        version=int(is_lost),
        status=RefundStatus.REQUESTED,
        amount=seen.amount,
        currency=payment.currency,
        reason=seen.reason,
    )


def _adopt(
    payment: Payment, new: Refund, seen: RefundSnapshot, *, cause: Cause, now: datetime
) -> tuple[RefundVerdict, Writes]:
    verdict = transitions.adopt_refund(payment, new, seen)
    if not isinstance(verdict, Advanced) or verdict.refund is None:
        return verdict, []
    adopted = replace(cause, cause=f"adopted: {cause.cause}")
    request = {"amount_was_given": True, "waits_until": None, "fingerprint": None}
    return verdict, [
        refunds.noted(verdict.refund, request=request, now=now),
        *payment_writes(payment, verdict.payment, cause=adopted, now=now),
        refund_transition(None, verdict.refund, cause=adopted, now=now),
        *present(refund_message(verdict.payment, verdict.refund, now=now)),
    ]
