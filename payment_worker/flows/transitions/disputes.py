"""Settling what was seen of a dispute: the one place where disputes change, under their payment's lock."""

from datetime import datetime
from uuid import UUID, uuid5

from payment_worker.contracts import messages
from payment_worker.domain import dispute
from payment_worker.domain.dispute import (
    DisputeKnown,
    DisputeMoved,
    DisputeSnapshot,
    DisputeStatus,
    EitherCameLast,
    MoneyNotSeen,
)
from payment_worker.flows.context import World
from payment_worker.flows.transitions.payments import Writes
from payment_worker.store import disputes, history, outbox, payments
from payment_worker.store.database import Connection
from payment_worker.store.history import Cause, transition
from payment_worker.store.statements import Row


def apply_dispute(
    world: World, connection: Connection, payment_id: UUID, seen: DisputeSnapshot, *, cause: Cause
) -> tuple[dispute.DisputeVerdict, Writes]:
    """What was seen of a dispute of this payment, which is locked here, and what is to be written for it."""
    payment = payments.lock(connection, payment_id)
    if payment is None:
        return MoneyNotSeen(), []
    known = disputes.of_payment(connection, payment_id)
    verdict = dispute.transition_dispute(payment, known, seen)
    match verdict:
        case DisputeMoved():
            marked = payment.is_disputed is not verdict.payment.is_disputed
            now = world.clock()
            return verdict, [
                disputes.recorded(verdict.dispute, is_new=verdict.before is None, now=now),
                *([payments.changed(verdict.payment, now=now)] if marked else []),
                _transition(verdict, cause, now),
                *_messages(verdict, now, was_lost=_was_lost(connection, verdict)),
            ]
        case DisputeKnown() | EitherCameLast() | MoneyNotSeen():
            return verdict, []


def _transition(moved: DisputeMoved, cause: Cause, now: datetime) -> Row:
    dispute = moved.dispute
    return transition(
        payment_id=dispute.payment_id,
        stripe_dispute_id=dispute.stripe_dispute_id,
        before=moved.before,
        after=dispute.status,
        cause=cause,
        now=now,
        detail={"amount": dispute.amount, "currency": dispute.currency, "reason": dispute.reason},
    )


def _was_lost(connection: Connection, moved: DisputeMoved) -> bool:
    """Whether the loss is one that was told before it was appealed."""
    return moved.is_lost_on_appeal and history.dispute_was(
        connection,
        payment_id=moved.dispute.payment_id,
        stripe_dispute_id=moved.dispute.stripe_dispute_id,
        status=DisputeStatus.LOST,
    )


def _messages(moved: DisputeMoved, now: datetime, *, was_lost: bool) -> list[Row]:
    """Both where a dispute is first heard of when it is over: whoever hears the end knows of the beginning.

    The end is told again where an appeal changed it, and only there.
    """
    dispute = moved.dispute
    told: list[Row] = []
    if moved.opened:
        data = messages.dispute_opened(
            dispute_id=dispute.stripe_dispute_id,
            payment_id=dispute.payment_id,
            order_id=moved.payment.order_id,
            amount=dispute.amount,
            currency=dispute.currency,
            reason=dispute.reason,
            evidence_due_by=dispute.evidence_due_by,
            opened_at=now,
        )
        told.append(_message(moved, "DisputeOpened", data, now, version=1))
    if moved.closed and not was_lost:
        data = messages.dispute_closed(
            dispute_id=dispute.stripe_dispute_id,
            payment_id=dispute.payment_id,
            order_id=moved.payment.order_id,
            amount=dispute.amount,
            currency=dispute.currency,
            outcome=dispute.status,
            closed_at=now,
        )
        # It closes once, and once more if what was told as a loss is none after all.
        told.append(_message(moved, "DisputeClosed", data, now, version=2 if moved.undoes_a_loss else 1))
    return told


def _message(
    moved: DisputeMoved, message_type: str, data: dict[str, object], now: datetime, *, version: int
) -> Row:
    subject = uuid5(moved.dispute.payment_id, moved.dispute.stripe_dispute_id)
    identity = outbox.message_id(subject=subject, message_type=message_type, version=version)
    return outbox.message(
        payment_id=moved.dispute.payment_id,
        identity=identity,
        message_type=message_type,
        data=data,
        now=now,
    )
