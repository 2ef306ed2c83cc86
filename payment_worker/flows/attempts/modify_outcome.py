"""Records the outcome of a capture or cancel attempt; a rejected one leaves the payment unchanged."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from payment_worker.domain.attempts.attempt import Action, AttemptStatus
from payment_worker.domain.attempts.outcome import UnknownReason
from payment_worker.domain.eligibility import (
    Decision,
    Done,
    Proceed,
    Reject,
    RejectionReason,
    decide_cancel,
    decide_captured,
)
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.domain.snapshots import PaymentIntentSnapshot
from payment_worker.domain.transitions.verdicts import Advanced, Contradicted, Contradiction, Stale, Unchanged
from payment_worker.flows.attempts.lifecycle import Continue, LockedAttempt
from payment_worker.flows.rejections import RejectedChange, reject_change
from payment_worker.flows.result import CommandResult
from payment_worker.flows.transitions.apply import judge
from payment_worker.flows.transitions.payments import payment_writes
from payment_worker.store.records import history

UNEXPECTED: Final = "payment_intent_unexpected_state"
"""Stripe's own code if none of ours is more specific."""


def change_shown(locked: LockedAttempt, seen: PaymentIntentSnapshot) -> CommandResult | Continue:
    """Record that Stripe showed the PaymentIntent, in the response or in a look-up."""
    return _shown(locked, seen, code=UNEXPECTED)


def change_refused(
    locked: LockedAttempt, seen: PaymentIntentSnapshot | None, *, code: str
) -> CommandResult | Continue:
    """Record that Stripe rejected the change; its PaymentIntent was retrieved after that, if there is one."""
    if seen is None:
        return _end(locked, locked.payment, AttemptStatus.REFUSED, reason=code)
    return _shown(locked, seen.as_of(locked.attempt.as_of_version), code=code)


def change_never_executed(locked: LockedAttempt) -> CommandResult:
    """It was sent often enough, and never executed."""
    reason = RejectionReason.NEVER_EXECUTED.value
    return _end(locked, locked.payment, AttemptStatus.ABSENT, reason=reason)


def _shown(locked: LockedAttempt, seen: PaymentIntentSnapshot, *, code: str) -> CommandResult | Continue:
    payment = locked.payment
    verdict = judge(locked.context, locked.connection, payment, seen).verdict
    match verdict:
        case Stale():
            return Continue(replace(locked.attempt, as_of_version=payment.version), payment)
        case Contradicted(Contradiction.STATUS_DIFFERS):
            return _judged(locked, payment, code=code)
        case Contradicted(contradiction):
            return locked.reschedule(UnknownReason.CONTRADICTS_RECORD, code=contradiction)
        case Advanced(after):
            return _judged(locked, after, code=code)
        case Unchanged():
            return _judged(locked, payment, code=code)
        case _:
            raise AssertionError(f"a PaymentIntent is never {verdict}")


def _judged(locked: LockedAttempt, after: Payment, *, code: str) -> CommandResult:
    """Whether the current state is the requested one, whoever caused it."""
    match _decide_again(locked, after):
        case Done():
            return _end(locked, after, AttemptStatus.EXECUTED, reason=None)
        case Reject(rejection_reason):
            return _end(
                locked,
                after,
                AttemptStatus.REFUSED,
                reason=rejection_reason.value,
            )
        case Proceed():
            return _end(locked, after, AttemptStatus.REFUSED, reason=code)


def _decide_again(locked: LockedAttempt, after: Payment) -> Decision:
    if locked.attempt.action is Action.CAPTURE:
        asked = json.loads(locked.attempt.parameters)
        return decide_captured(
            after,
            amount=asked["amount_to_capture"],
            before=history.captured_before(locked.connection, locked.attempt),
            is_final=asked.get("final_capture", True),
        )
    return decide_cancel(after)


def _end(
    locked: LockedAttempt,
    after: Payment,
    status: AttemptStatus,
    *,
    reason: str | None,
) -> CommandResult:
    payment, attempt = locked.payment, locked.attempt
    if attempt.action is Action.CANCEL and after.status is not PaymentStatus.CANCELED:
        after = replace(after, cancellation_reason=None)
    if after != payment:
        after = replace(after, version=payment.version + 1)
    cause = locked.cause("answered" if reason is None else "refused")
    writes = payment_writes(payment, after, cause=cause, now=locked.now) if after != payment else []
    answer = locked.finish(status, writes, after, code=reason)
    if reason is None:
        return answer
    if attempt.request_id:  # otherwise it was requested by the worker itself
        reject_change(
            locked.connection,
            RejectedChange(attempt.action, payment.payment_id, _asked(locked), reason),
            request_id=attempt.request_id,
            now=locked.now,
        )
    return replace(answer, reason=reason)


def _asked(locked: LockedAttempt) -> Mapping[str, object]:
    """The task's arguments, as far as our record shows."""
    if locked.attempt.action is Action.CAPTURE:
        asked = json.loads(locked.attempt.parameters)
        final = {} if asked.get("final_capture", True) else {"final": False}
        return {"amount": asked["amount_to_capture"], **final}
    reason = locked.payment.cancellation_reason
    return {"reason": reason} if reason else {}
