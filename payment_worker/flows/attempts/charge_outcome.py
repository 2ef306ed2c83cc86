"""Records what an attempt to charge, or to charge again, came to."""

from dataclasses import replace

from payment_worker.domain import payment as payment_states
from payment_worker.domain import transitions
from payment_worker.domain.attempt import AttemptStatus, doubt_after_absence
from payment_worker.domain.outcome import Doubt
from payment_worker.domain.payment import PaymentStatus, PaymentTrigger
from payment_worker.domain.snapshots import Decline, PaymentIntentSnapshot
from payment_worker.domain.verdicts import Advanced, Contradicted, Contradiction, Stale, Unchanged
from payment_worker.flows.attempts.lifecycle import Again, Entry
from payment_worker.flows.result import Answer
from payment_worker.flows.transitions.apply import judge
from payment_worker.flows.transitions.payments import payment_writes


def payment_intent_shown(entry: Entry, seen: PaymentIntentSnapshot, request_id: str | None) -> Answer | Again:
    """Stripe showed the PaymentIntent, after the attempt or in answer to it."""
    attempt, payment = entry.attempt, entry.payment
    if seen.trigger is None and not entry.believes_absence():
        # It exists and nothing has come of it: whatever was sent may not be over.
        return entry.put_off(doubt_after_absence(attempt.doubt), code="unconfirmed")
    cause = entry.because("answered", stripe_request_id=request_id)
    judgement = judge(entry.world, entry.connection, payment, seen)
    writes = judgement.writes(cause=cause, now=entry.now)
    match judgement.verdict:
        case Stale():
            known = replace(payment, stripe_payment_intent_id=seen.stripe_payment_intent_id)
            return Again(replace(attempt, doubt=Doubt.OVERTAKEN, as_of_version=payment.version), known)
        case Contradicted(Contradiction.STATUS_DIFFERS):
            # What it came to is known; which of the two states is right is for a person to say.
            return entry.finish(_status_of(seen), [], payment, request_id=request_id)
        case Contradicted(contradiction):
            return entry.put_off(Doubt.CONTRADICTED, code=contradiction)
        case Advanced() | Unchanged() if seen.trigger is None:
            # Stripe made it, took nothing, and nobody will any more; another try confirms the same one.
            return charge_refused(entry, Decline(), request_id, AttemptStatus.ABSENT, made=seen)
        case Advanced(after):
            return entry.finish(_status_of(seen), writes, after, request_id=request_id)
        case Unchanged():
            return entry.finish(_status_of(seen), writes, payment, request_id=request_id)
        case _:
            raise AssertionError(f"a PaymentIntent is never {judgement.verdict}")


def _status_of(seen: PaymentIntentSnapshot) -> AttemptStatus:
    return (
        AttemptStatus.DECLINED
        if seen.decline and seen.trigger is not PaymentTrigger.SUCCEEDED
        else AttemptStatus.EXECUTED
    )


def charge_refused(
    entry: Entry,
    decline: Decline,
    request_id: str | None,
    status: AttemptStatus,
    *,
    made: PaymentIntentSnapshot | None = None,
) -> Answer:
    """Nothing was charged, and no PaymentIntent tells more; one may have been made."""
    payment, code = entry.payment, decline.decline_code or decline.error_code
    cause = entry.because(status.lower(), code=code, stripe_request_id=request_id)
    if payment_states.next_status(payment.status, PaymentTrigger.FAILED) is not PaymentStatus.FAILED:
        return entry.finish(status, [], payment, request_id=request_id, code=code)
    known = made.stripe_payment_intent_id if made else payment.stripe_payment_intent_id
    moved = replace(payment, stripe_payment_intent_id=known, version=payment.version + 1)
    failed = transitions.fail_payment(moved, decline)
    writes = payment_writes(payment, failed, cause=cause, now=entry.now)
    return entry.finish(status, writes, failed, request_id=request_id, code=code)


def retry_refused(
    entry: Entry, seen: PaymentIntentSnapshot, *, code: str, request_id: str | None
) -> Answer | Again:
    """Stripe refused another try and did nothing; what its PaymentIntent is instead was looked at then."""
    attempt, payment = entry.attempt, entry.payment
    cause = entry.because("refused", code=code, stripe_request_id=request_id)
    shown = seen.as_of(attempt.as_of_version)
    judgement = judge(entry.world, entry.connection, payment, shown)
    writes = judgement.writes(cause=cause, now=entry.now)
    match judgement.verdict:
        case Stale():
            # The same request gets the same no, and what is there is looked at again.
            return Again(replace(attempt, as_of_version=payment.version), payment)
        case Contradicted(Contradiction.STATUS_DIFFERS):
            return entry.finish(AttemptStatus.REFUSED, [], payment, request_id=request_id, code=code)
        case Contradicted(contradiction):
            return entry.put_off(Doubt.CONTRADICTED, code=contradiction)
        case Advanced(after) if after.status is not PaymentStatus.REQUESTED:
            return entry.finish(AttemptStatus.REFUSED, writes, after, request_id=request_id, code=code)
        case Advanced() | Unchanged():
            return charge_refused(entry, Decline(error_code=code), request_id, AttemptStatus.REFUSED)
        case _:
            raise AssertionError(f"a PaymentIntent is never {judgement.verdict}")
