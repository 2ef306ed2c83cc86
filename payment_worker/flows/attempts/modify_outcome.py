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


def change_shown(locked: LockedAttempt, snapshot: PaymentIntentSnapshot) -> CommandResult | Continue:
    """Record that Stripe showed the PaymentIntent, in the response or in a look-up."""
    return _apply_snapshot(locked, snapshot, code=UNEXPECTED)


def change_refused(
    locked: LockedAttempt, snapshot: PaymentIntentSnapshot | None, *, code: str
) -> CommandResult | Continue:
    """Record that Stripe rejected the change; its PaymentIntent was retrieved after that, if there is one."""
    if snapshot is None:
        return _finish(locked, locked.payment, AttemptStatus.REFUSED, reason=code)
    return _apply_snapshot(locked, snapshot.as_of(locked.attempt.as_of_version), code=code)


def change_never_executed(locked: LockedAttempt) -> CommandResult:
    """It was sent often enough, and never executed."""
    reason = RejectionReason.NEVER_EXECUTED.value
    return _finish(locked, locked.payment, AttemptStatus.ABSENT, reason=reason)


def _apply_snapshot(
    locked: LockedAttempt, snapshot: PaymentIntentSnapshot, *, code: str
) -> CommandResult | Continue:
    payment = locked.payment
    verdict = judge(locked.context, locked.connection, payment, snapshot).verdict
    match verdict:
        case Stale():
            return Continue(replace(locked.attempt, as_of_version=payment.version), payment)
        case Contradicted(Contradiction.STATUS_DIFFERS):
            return _record_decision(locked, payment, code=code)
        case Contradicted(contradiction):
            return locked.reschedule(UnknownReason.CONTRADICTS_RECORD, code=contradiction)
        case Advanced(after):
            return _record_decision(locked, after, code=code)
        case Unchanged():
            return _record_decision(locked, payment, code=code)
        case _:
            raise AssertionError(f"a PaymentIntent is never {verdict}")


def _record_decision(locked: LockedAttempt, after: Payment, *, code: str) -> CommandResult:
    """Whether the current state is the requested one, whoever caused it."""
    match _decide_again(locked, after):
        case Done():
            return _finish(locked, after, AttemptStatus.EXECUTED, reason=None)
        case Reject(rejection_reason):
            return _finish(
                locked,
                after,
                AttemptStatus.REFUSED,
                reason=rejection_reason.value,
            )
        case Proceed():
            return _finish(locked, after, AttemptStatus.REFUSED, reason=code)


def _decide_again(locked: LockedAttempt, after: Payment) -> Decision:
    if locked.attempt.action is Action.CAPTURE:
        parameters = json.loads(locked.attempt.parameters)
        return decide_captured(
            after,
            amount=parameters["amount_to_capture"],
            captured_before=history.captured_before(locked.connection, locked.attempt),
            is_final=parameters.get("final_capture", True),
        )
    return decide_cancel(after)


def _finish(
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
    expiry = locked.context.policy.action_expiry
    writes = (
        payment_writes(payment, after, cause=cause, now=locked.now, action_expiry=expiry)
        if after != payment
        else []
    )
    result = locked.finish(status, writes, after, code=reason)
    if reason is None:
        return result
    if attempt.request_id:  # otherwise it was requested by the worker itself
        reject_change(
            locked.connection,
            RejectedChange(attempt.action, payment.payment_id, _requested_arguments(locked), reason),
            request_id=attempt.request_id,
            now=locked.now,
        )
    return replace(result, reason=reason)


def _requested_arguments(locked: LockedAttempt) -> Mapping[str, object]:
    """The task's arguments, as far as our record shows."""
    if locked.attempt.action is Action.CAPTURE:
        parameters = json.loads(locked.attempt.parameters)
        final_argument = {} if parameters.get("final_capture", True) else {"final": False}
        return {"amount": parameters["amount_to_capture"], **final_argument}
    reason = locked.payment.cancellation_reason
    return {"reason": reason} if reason else {}
