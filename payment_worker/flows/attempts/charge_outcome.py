"""Records the outcome of a charge attempt or a retry."""

from dataclasses import replace

from payment_worker.domain import payment as payment_states
from payment_worker.domain.attempts.absence import unknown_reason_after_absence
from payment_worker.domain.attempts.attempt import AttemptStatus
from payment_worker.domain.attempts.outcome import UnknownReason
from payment_worker.domain.findings.payments import second_payment_intent
from payment_worker.domain.payment import PaymentStatus, PaymentTrigger
from payment_worker.domain.snapshots import Decline, PaymentIntentSnapshot
from payment_worker.domain.transitions.payments import fail_payment, transition_payment
from payment_worker.domain.transitions.verdicts import Advanced, Contradicted, Contradiction, Stale, Unchanged
from payment_worker.flows.attempts.lifecycle import ClaimedAttempt, Continue, LockedAttempt
from payment_worker.flows.result import CommandResult
from payment_worker.flows.transitions.apply import judge
from payment_worker.flows.transitions.contradictions import record_finding
from payment_worker.flows.transitions.payments import payment_writes
from payment_worker.store.records import payments


def record_first_response(claimed: ClaimedAttempt, snapshot: PaymentIntentSnapshot) -> CommandResult | None:
    """Record what the response to the first request of a charge shows, without a lock.

    None if it was not: there is more to decide, or the payment has changed since it was read.
    """
    if snapshot.trigger is None:
        return None
    verdict = transition_payment(claimed.payment, claimed.based(snapshot, is_present=True))
    if not isinstance(verdict, Advanced) or verdict.contradiction:
        return None
    return claimed.finish_if_unchanged(_status_of(snapshot), verdict.payment)


def payment_intent_shown(locked: LockedAttempt, snapshot: PaymentIntentSnapshot) -> CommandResult | Continue:
    """Record that Stripe showed the PaymentIntent, in the response or in a look-up."""
    attempt, payment = locked.attempt, locked.payment
    if snapshot.trigger is None and not locked.believes_absence():
        # It exists without a result: the request may still be executing.
        return locked.reschedule(unknown_reason_after_absence(attempt.unknown_reason), code="unconfirmed")
    if _belongs_to_other_payment(locked, snapshot):
        difference = second_payment_intent(payment, snapshot.stripe_payment_intent_id)
        record_finding(locked.context, locked.connection, difference)
        return locked.reschedule(UnknownReason.CONTRADICTS_RECORD, code=Contradiction.ANOTHER_PAYMENT_INTENT)
    cause = locked.cause("answered")
    judgement = judge(locked.context, locked.connection, payment, snapshot)
    writes = judgement.writes(cause=cause, now=locked.now)
    match judgement.verdict:
        case Stale():
            updated = replace(payment, stripe_payment_intent_id=snapshot.stripe_payment_intent_id)
            return Continue(
                replace(attempt, unknown_reason=UnknownReason.SUPERSEDED, as_of_version=payment.version),
                updated,
            )
        case Contradicted(Contradiction.STATUS_DIFFERS):
            # The outcome is known; an operator has to decide which of the two statuses is right.
            return locked.finish(_status_of(snapshot), [], payment)
        case Contradicted(contradiction):
            return locked.reschedule(UnknownReason.CONTRADICTS_RECORD, code=contradiction)
        case Advanced() | Unchanged() if snapshot.trigger is None:
            # Stripe created it without charging, and no request is executing; a retry confirms the same one.
            return charge_refused(locked, Decline(), AttemptStatus.ABSENT, snapshot=snapshot)
        case Advanced(after):
            return locked.finish(_status_of(snapshot), writes, after)
        case Unchanged():
            return locked.finish(_status_of(snapshot), writes, payment)
        case _:
            raise AssertionError(f"a PaymentIntent is never {judgement.verdict}")


def _belongs_to_other_payment(locked: LockedAttempt, snapshot: PaymentIntentSnapshot) -> bool:
    """Whether another payment has the PaymentIntent: it was adopted while the attempt was unanswered."""
    attempt = locked.attempt
    if attempt.unknown_reason is None and attempt.lease_token <= 1:
        return False  # nobody knew it before this response
    owner_id = payments.id_by_payment_intent(locked.connection, snapshot.stripe_payment_intent_id)
    return owner_id not in {None, attempt.payment_id}


def _status_of(snapshot: PaymentIntentSnapshot) -> AttemptStatus:
    return (
        AttemptStatus.DECLINED
        if snapshot.decline and snapshot.trigger is not PaymentTrigger.SUCCEEDED
        else AttemptStatus.EXECUTED
    )


def charge_refused(
    locked: LockedAttempt,
    decline: Decline,
    status: AttemptStatus,
    *,
    snapshot: PaymentIntentSnapshot | None = None,
) -> CommandResult:
    """Record that nothing was charged and no PaymentIntent says more; one may have been created."""
    payment, code = locked.payment, decline.decline_code or decline.error_code
    cause = locked.cause(status.lower(), code=code)
    if payment_states.next_status(payment.status, PaymentTrigger.FAILED) is not PaymentStatus.FAILED:
        return locked.finish(status, [], payment, code=code)
    payment_intent_id = snapshot.stripe_payment_intent_id if snapshot else payment.stripe_payment_intent_id
    updated = replace(payment, stripe_payment_intent_id=payment_intent_id, version=payment.version + 1)
    failed = fail_payment(updated, decline)
    writes = payment_writes(payment, failed, cause=cause, now=locked.now)
    return locked.finish(status, writes, failed, code=code)


def retry_refused(
    locked: LockedAttempt, snapshot: PaymentIntentSnapshot, *, code: str
) -> CommandResult | Continue:
    """Record that Stripe rejected a retry; its PaymentIntent was retrieved after that."""
    attempt, payment = locked.attempt, locked.payment
    cause = locked.cause("refused", code=code)
    versioned = snapshot.as_of(attempt.as_of_version)
    judgement = judge(locked.context, locked.connection, payment, versioned)
    writes = judgement.writes(cause=cause, now=locked.now)
    match judgement.verdict:
        case Stale():
            # The same request would be rejected again, and its PaymentIntent retrieved again.
            return Continue(replace(attempt, as_of_version=payment.version), payment)
        case Contradicted(Contradiction.STATUS_DIFFERS):
            return locked.finish(AttemptStatus.REFUSED, [], payment, code=code)
        case Contradicted(contradiction):
            return locked.reschedule(UnknownReason.CONTRADICTS_RECORD, code=contradiction)
        case Advanced(after) if after.status is not PaymentStatus.REQUESTED:
            return locked.finish(AttemptStatus.REFUSED, writes, after, code=code)
        case Advanced() | Unchanged():
            return charge_refused(locked, Decline(error_code=code), AttemptStatus.REFUSED)
        case _:
            raise AssertionError(f"a PaymentIntent is never {judgement.verdict}")
