"""The one door: every observation of Stripe's objects comes through here, and only here do states change.

The payment's row is locked by the caller and stays locked until its transaction ends; history and messages
are written with the change. Two doors would disagree one day.
"""

from collections.abc import Sequence
from datetime import datetime

from payment_worker.domain import transitions
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.domain.refund import Refund
from payment_worker.domain.snapshots import PaymentIntentSnapshot, RefundSnapshot
from payment_worker.domain.transitions import Advanced, PaymentVerdict, RefundVerdict
from payment_worker.flows.transitions.messages import payment_message, refund_message
from payment_worker.store import payments, refunds
from payment_worker.store.history import Cause, transition
from payment_worker.store.statements import Row, Write
from payment_worker.telemetry.metrics import CAPTURED, PAYMENTS, REFUNDED, REFUNDS, RETURNED, label
from payment_worker.telemetry.recorder import count

Writes = list[Write]

UNDECIDED = frozenset({PaymentStatus.REQUESTED, PaymentStatus.PROCESSING, PaymentStatus.REQUIRES_ACTION})
"""States in which a refund waits to see what becomes of its payment."""


def apply_payment_intent(
    payment: Payment, seen: PaymentIntentSnapshot, *, cause: Cause, now: datetime
) -> tuple[PaymentVerdict, Writes]:
    """What was seen of a PaymentIntent, and what is to be written for it."""
    verdict = transitions.transition_payment(payment, seen)
    if isinstance(verdict, Advanced):
        return verdict, payment_writes(payment, verdict.payment, cause=cause, now=now)
    return verdict, []


def apply_known_refund(
    payment: Payment, refund: Refund, seen: RefundSnapshot, *, cause: Cause, now: datetime
) -> tuple[RefundVerdict, Writes]:
    """What was seen of a Refund of ours, and what is to be written for it."""
    verdict = transitions.transition_refund(payment, refund, seen)
    if isinstance(verdict, Advanced):
        return verdict, refund_writes((payment, refund), verdict, cause=cause, now=now)
    return verdict, []


def payment_writes(before: Payment, after: Payment, *, cause: Cause, now: datetime) -> Writes:
    """The row as it must be; with its history and its message where the status is another."""
    writes: Writes = [payments.changed(after, now=now)]
    _count_money(before, after)
    if after.status is not before.status:
        count(PAYMENTS, label(after.status))
        writes.append(_payment_transition(before, after, cause=cause, now=now))
        writes += present(payment_message(after, now=now))
        if after.status not in UNDECIDED:
            writes.append(refunds.woken(after.payment_id, now=now))
    return writes


def refund_writes(
    before: tuple[Payment, Refund], advanced: Advanced, *, cause: Cause, now: datetime
) -> Writes:
    """The refund's row and its payment's as they must be, with history and message where the status is another."""
    payment, refund = before
    after = advanced.refund
    assert after is not None  # noqa: S101 - a refund's verdict always carries it
    writes: Writes = [refunds.changed(after, now=now)]
    _count_money(payment, advanced.payment)
    if advanced.payment != payment:
        writes.append(payments.changed(advanced.payment, now=now))
    if after.status is not refund.status:
        writes.append(refund_transition(refund.status, after, cause=cause, now=now))
        writes += present(refund_message(advanced.payment, after, now=now))
    return writes


def _count_money(before: Payment, after: Payment) -> None:
    currency = after.currency
    refunded = after.amount_refunded - before.amount_refunded
    if after.amount_captured > before.amount_captured:
        count(CAPTURED, currency, by=after.amount_captured - before.amount_captured)
    if refunded:
        count(REFUNDED if refunded > 0 else RETURNED, currency, by=abs(refunded))


def refund_transition(before: str | None, after: Refund, *, cause: Cause, now: datetime) -> Row:
    """The history of one step of a refund, which is counted."""
    count(REFUNDS, label(after.status))
    detail = {
        "amount": after.amount,
        "currency": after.currency,
        "stripe_refund_id": after.stripe_refund_id,
        "failure_reason": after.failure_reason,
    }
    return transition(
        payment_id=after.payment_id,
        refund_id=after.refund_id,
        before=before,
        after=after.status,
        cause=cause,
        now=now,
        detail={name: value for name, value in detail.items() if value is not None},
    )


def _payment_transition(before: Payment, after: Payment, *, cause: Cause, now: datetime) -> Row:
    names = (
        "amount_authorized",
        "amount_captured",
        "failure_reason",
        "decline_code",
        "advice_code",
        "cancellation_reason",
        "stripe_payment_intent_id",
        "stripe_charge_id",
    )
    changes = {name: getattr(after, name) for name in names if getattr(after, name) != getattr(before, name)}
    return transition(
        payment_id=after.payment_id,
        before=before.status,
        after=after.status,
        cause=cause,
        now=now,
        detail=changes,
    )


def present(message: Row | None) -> Sequence[Row]:
    """The message as the rows that it is: one, or none."""
    return () if message is None else (message,)
