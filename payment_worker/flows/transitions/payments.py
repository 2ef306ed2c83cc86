"""Applies snapshots of PaymentIntents to payments."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from payment_worker.domain.findings.payments import compare_payment
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.domain.snapshots import PaymentIntentSnapshot
from payment_worker.domain.transitions.payments import transition_payment
from payment_worker.domain.transitions.verdicts import Advanced
from payment_worker.flows.transitions.judgement import Judgement, Writes, nothing
from payment_worker.flows.transitions.messages import payment_message
from payment_worker.store.records import payments, refunds
from payment_worker.store.records.history import Cause, transition
from payment_worker.store.statements import Change, Row
from payment_worker.telemetry.metrics import CAPTURED, PAYMENTS, REFUNDED, RETURNED, account_label
from payment_worker.telemetry.recorder import count

WITHOUT_OUTCOME = frozenset(
    {PaymentStatus.REQUESTED, PaymentStatus.PROCESSING, PaymentStatus.REQUIRES_ACTION}
)
"""Statuses in which a refund waits for the outcome of its payment."""


def judge_payment_intent(
    payment: Payment, snapshot: PaymentIntentSnapshot, *, action_expiry: timedelta
) -> Judgement:
    """What a snapshot of its PaymentIntent changes of a payment, which is locked.

    Args:
        action_expiry: how long it waits for its customer, if it begins to.
    """
    verdict = transition_payment(payment, snapshot)
    after = verdict.payment if isinstance(verdict, Advanced) else payment
    return Judgement(
        verdict=verdict,
        before=compare_payment(payment, snapshot),
        left=compare_payment(after, snapshot),
        writes=partial(payment_writes, payment, after, action_expiry=action_expiry)
        if after is not payment
        else nothing,
    )


def payment_writes(
    before: Payment, after: Payment, *, cause: Cause, now: datetime, action_expiry: timedelta | None = None
) -> Writes:
    """The row as it must be; with its history and its message where the status or what is held is another."""
    begins_to_wait = after.status is PaymentStatus.REQUIRES_ACTION and after.status is not before.status
    expires_at = now + action_expiry if begins_to_wait and action_expiry else None
    change = payments.changed(before, after, now=now, action_expires_at=expires_at)
    writes: Writes = [change]
    count_money(before, after)
    if after.status is not before.status:
        count(PAYMENTS, after.status.lower(), account_label(after.stripe_account))
    if after.status is not before.status or _amounts_differ(before, after):
        writes.append(_payment_transition(before, after, change, cause=cause, now=now))
        writes += present(payment_message(after, now=now))
        if after.status not in WITHOUT_OUTCOME:
            writes.append(refunds.woken(after.payment_id, now=now))
    return writes


def _amounts_differ(before: Payment, after: Payment) -> bool:
    """Whether an authorisation was captured in part, or changed."""
    amounts = (after.amount_authorized, after.amount_captured)
    return amounts != (before.amount_authorized, before.amount_captured)


def count_money(before: Payment, after: Payment) -> None:
    """Count what was captured, refunded or returned by a change of a payment's row."""
    labels = (after.currency, account_label(after.stripe_account))
    refunded = after.amount_refunded - before.amount_refunded
    if after.amount_captured > before.amount_captured:
        count(CAPTURED, *labels, by=after.amount_captured - before.amount_captured)
    if refunded:
        count(REFUNDED if refunded > 0 else RETURNED, *labels, by=abs(refunded))


_IN_HISTORY: Final = (
    "amount_authorized",
    "amount_captured",
    "failure_reason",
    "decline_code",
    "advice_code",
    "cancellation_reason",
    "stripe_payment_intent_id",
    "stripe_charge_id",
)
"""Columns whose changes a transition's row tells."""


def _payment_transition(
    before: Payment, after: Payment, change: Change, *, cause: Cause, now: datetime
) -> Row:
    captured_before = {"amount_captured_before": before.amount_captured} if before.amount_captured else {}
    changes = {name: change.values[name] for name in _IN_HISTORY if name in change.values}
    return transition(
        payment_id=after.payment_id,
        before=before.status,
        after=after.status,
        cause=cause,
        now=now,
        detail=changes | captured_before,
    )


def present(message: Row | None) -> Sequence[Row]:
    """The message as the rows that it is: one, or none."""
    return () if message is None else (message,)
