"""Records what an attempt to capture or to cancel came to. A refused one leaves the payment as it is."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from uuid import UUID

from payment_worker.domain.attempt import Action, Attempt, AttemptStatus
from payment_worker.domain.eligibility import (
    Ask,
    Decision,
    Done,
    Refusal,
    Refuse,
    decide_cancel,
    decide_capture,
)
from payment_worker.domain.outcome import Doubt
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.domain.snapshots import PaymentIntentSnapshot
from payment_worker.domain.verdicts import Advanced, Contradicted, Contradiction, Stale, Unchanged
from payment_worker.flows.attempts.lifecycle import Again, Entry
from payment_worker.flows.rejections import RefusedRequest, keep_refused
from payment_worker.flows.result import Answer
from payment_worker.flows.transitions.apply import judge
from payment_worker.flows.transitions.payments import payment_writes

UNEXPECTED: Final = "payment_intent_unexpected_state"
"""Stripe's own word where no word of ours tells more."""


def change_shown(entry: Entry, seen: PaymentIntentSnapshot, request_id: str | None) -> Answer | Again:
    """Stripe showed the PaymentIntent, after the attempt or in answer to it."""
    return _shown(entry, seen, code=UNEXPECTED, request_id=request_id)


def change_refused(
    entry: Entry, seen: PaymentIntentSnapshot | None, *, code: str, request_id: str | None
) -> Answer | Again:
    """Stripe refused it and did nothing; what its PaymentIntent is instead was looked at then, if it is there."""
    if seen is None:
        return _end(entry, entry.payment, AttemptStatus.REFUSED, reason=code, request_id=request_id)
    return _shown(entry, seen.as_of(entry.attempt.as_of_version), code=code, request_id=request_id)


def change_never_executed(entry: Entry) -> Answer:
    """It was sent often enough, and never executed."""
    reason = Refusal.NEVER_EXECUTED.value
    return _end(entry, entry.payment, AttemptStatus.ABSENT, reason=reason, request_id=None)


def _shown(entry: Entry, seen: PaymentIntentSnapshot, *, code: str, request_id: str | None) -> Answer | Again:
    payment = entry.payment
    verdict = judge(entry.world, entry.connection, payment, seen).verdict
    match verdict:
        case Stale():
            return Again(replace(entry.attempt, as_of_version=payment.version), payment)
        case Contradicted(Contradiction.STATUS_DIFFERS):
            return _judged(entry, payment, code=code, request_id=request_id)
        case Contradicted(contradiction):
            return entry.put_off(Doubt.CONTRADICTED, code=contradiction)
        case Advanced(after):
            return _judged(entry, after, code=code, request_id=request_id)
        case Unchanged():
            return _judged(entry, payment, code=code, request_id=request_id)
        case _:
            raise AssertionError(f"a PaymentIntent is never {verdict}")


def _judged(entry: Entry, after: Payment, *, code: str, request_id: str | None) -> Answer:
    """Whether what is so now is what was asked for, whoever did it."""
    match _decide_again(entry, after):
        case Done():
            return _end(entry, after, AttemptStatus.EXECUTED, reason=None, request_id=request_id)
        case Refuse(refusal):
            return _end(entry, after, AttemptStatus.REFUSED, reason=refusal.value, request_id=request_id)
        case Ask():
            return _end(entry, after, AttemptStatus.REFUSED, reason=code, request_id=request_id)


def _decide_again(entry: Entry, after: Payment) -> Decision:
    if entry.attempt.action is Action.CAPTURE:
        return decide_capture(after, amount=json.loads(entry.attempt.parameters)["amount_to_capture"])
    return decide_cancel(after)


def _end(
    entry: Entry, after: Payment, status: AttemptStatus, *, reason: str | None, request_id: str | None
) -> Answer:
    payment, attempt = entry.payment, entry.attempt
    if attempt.action is Action.CANCEL and after.status is not PaymentStatus.CANCELED:
        after = replace(after, cancellation_reason=None)
    if after != payment:
        after = replace(after, version=payment.version + 1)
    cause = entry.because("answered" if reason is None else "refused", stripe_request_id=request_id)
    writes = payment_writes(payment, after, cause=cause, now=entry.now) if after != payment else []
    answer = entry.finish(status, writes, after, request_id=request_id, code=reason)
    if reason is None:
        return answer
    keep_refused(
        entry.connection,
        RefusedRequest(attempt.action, payment.payment_id, _asked(entry), reason),
        request_id=_request_id(attempt),
        now=entry.now,
    )
    return replace(answer, reason=reason)


def _asked(entry: Entry) -> Mapping[str, object]:
    """What the task was given, as far as the record tells."""
    if entry.attempt.action is Action.CAPTURE:
        return {"amount": json.loads(entry.attempt.parameters)["amount_to_capture"]}
    reason = entry.payment.cancellation_reason
    return {"reason": reason} if reason else {}


def _request_id(attempt: Attempt) -> UUID:
    assert attempt.request_id is not None  # noqa: S101 - whoever asks for a change has a message
    return attempt.request_id
