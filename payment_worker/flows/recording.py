"""Noting what an attempt came to: under the payment's lock, fenced, with history and messages in one transaction."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from sqlalchemy import Connection

from payment_worker.domain import payment as payment_states
from payment_worker.domain import settlement
from payment_worker.domain.attempt import (
    LONGEST_PAUSE,
    Action,
    Attempt,
    AttemptStatus,
    absence_is_believed,
    doubt_after_absence,
    next_round,
)
from payment_worker.domain.observation import Decline, PaymentSeen, RefundSeen
from payment_worker.domain.outcome import (
    Absent,
    Declined,
    Delay,
    Doubt,
    Outcome,
    Postponed,
    Refused,
    Settled,
    Unanswered,
)
from payment_worker.domain.payment import PaymentNews, PaymentStatus
from payment_worker.domain.records import Payment, Refund
from payment_worker.domain.refund import RefundNews, RefundStatus
from payment_worker.domain.refund import after as refund_after
from payment_worker.domain.refunding import RefundRefusal
from payment_worker.domain.settlement import Advanced, Contradicted, NoRoom, Stale, Unchanged
from payment_worker.flows.answer import Answer, Unfinished, payment_answer, refund_answer
from payment_worker.flows.contradicting import payment_contradicted, refund_contradicted
from payment_worker.flows.noting import new_attempt
from payment_worker.flows.settle import Writes, payment_writes, refund_writes, settle_payment, settle_refund
from payment_worker.flows.world import World
from payment_worker.gateway.requests import Request
from payment_worker.store import attempts, pauses, payments, refunds
from payment_worker.store.writing import write
from payment_worker.telemetry import logger

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Again:
    """There is more to do at once: with the same attempt, or with the one that follows it."""

    attempt: Attempt
    payment: Payment


@dataclass(frozen=True, slots=True)
class _Entry:
    """One attempt being noted, everything locked."""

    world: World
    connection: Connection
    payment: Payment
    refund: Refund | None
    attempt: Attempt
    now: datetime
    asked_at: datetime


def record(
    world: World, attempt: Attempt, outcome: Outcome | Absent, *, asked_at: datetime
) -> Answer | Again:
    """Note an outcome. Whoever lost the lease meanwhile changes nothing and is told the present state.

    Args:
        asked_at: when Stripe was asked; absence is judged by it.
    """
    with world.database.begin() as connection:
        locked = attempts.lock_unfinished(connection, attempt.attempt_id)
        if locked is None or locked[1].lease_token != attempt.lease_token:
            log.info(
                "attempt is in other hands", attempt_id=attempt.attempt_id, payment_id=str(attempt.payment_id)
            )
            return present(connection, attempt)
        refund = refunds.find(connection, attempt.refund_id) if attempt.refund_id else None
        entry = _Entry(world, connection, locked[0], refund, attempt, world.clock(), asked_at)
        noted = _note(entry, outcome)
    world.ring()
    return noted


def present(connection: Connection, attempt: Attempt) -> Answer:
    """The state as it stands, of the refund or the payment that the attempt is for."""
    waiting = attempts.unfinished(connection, payment_id=attempt.payment_id, refund_id=attempt.refund_id)
    unfinished, again_at = (Unfinished.OTHERS, waiting.next_action_at) if waiting else (None, None)
    if attempt.refund_id and (refund := refunds.find(connection, attempt.refund_id)):
        return refund_answer(refund, unfinished, again_at)
    payment = payments.find(connection, attempt.payment_id)
    assert payment is not None  # noqa: S101 - a foreign key says so
    return payment_answer(payment, unfinished, again_at)


def _note(entry: _Entry, outcome: Outcome | Absent) -> Answer | Again:
    match outcome:
        case Settled(seen, request_id, is_present):
            if isinstance(seen, PaymentSeen):
                return _payment_seen(entry, _based(entry, seen, is_present), request_id)
            return _refund_seen(entry, seen, request_id)
        case Declined(decline, intent, request_id, is_present):
            if intent is not None:
                return _payment_seen(entry, _based(entry, intent, is_present), request_id)
            return _refused(entry, decline, request_id, AttemptStatus.DECLINED)
        case Refused(code, request_id):
            return _refused(entry, Decline(error_code=code), request_id, AttemptStatus.REFUSED)
        case Unanswered(doubt):
            return _put_off(entry, doubt, code=doubt)
        case Postponed(delay):
            return _put_off(entry, entry.attempt.doubt, code=delay)
        case Absent():
            return _absent(entry)
        case _:
            assert_never(outcome)


def _payment_seen(entry: _Entry, seen: PaymentSeen, request_id: str | None) -> Answer | Again:
    attempt, payment = entry.attempt, entry.payment
    if seen.news is None:
        # It exists and nothing has come of it: whatever was sent is not over.
        return _put_off(entry, Doubt.NOT_FOUND, code="unconfirmed")
    cause = entry.world.because("answered", attempt=attempt.number, stripe_request_id=request_id)
    verdict, writes = settle_payment(payment, seen, cause=cause, now=entry.now)
    match verdict:
        case Stale():
            known = replace(payment, stripe_payment_intent_id=seen.stripe_payment_intent_id)
            return Again(replace(attempt, doubt=Doubt.OVERTAKEN, basis=payment.version), known)
        case Contradicted(contradiction):
            payment_contradicted(entry.world, entry.connection, payment, seen)
            return _put_off(entry, Doubt.CONTRADICTED, code=contradiction)
        case Advanced(after):
            return _finish(entry, _status_of(seen), writes, after, request_id=request_id)
        case Unchanged():
            return _finish(entry, _status_of(seen), writes, payment, request_id=request_id)
        case _:
            assert_never(verdict)


def _based(entry: _Entry, seen: PaymentSeen, is_present: bool) -> PaymentSeen:  # noqa: FBT001 - the field it is
    return seen.on(entry.attempt.basis) if is_present else seen


def _status_of(seen: PaymentSeen) -> AttemptStatus:
    return (
        AttemptStatus.DECLINED
        if seen.decline and seen.news is not PaymentNews.SUCCEEDED
        else AttemptStatus.SETTLED
    )


def _refund_seen(entry: _Entry, seen: RefundSeen, request_id: str | None) -> Answer:
    attempt, payment, refund = entry.attempt, entry.payment, _refund(entry)
    cause = entry.world.because("answered", attempt=attempt.number, stripe_request_id=request_id)
    verdict, writes = settle_refund(payment, refund, seen, cause=cause, now=entry.now)
    match verdict:
        case Contradicted(contradiction):
            refund_contradicted(entry.world, entry.connection, payment, refund, seen)
            return _put_off(entry, Doubt.CONTRADICTED, code=contradiction)
        case Advanced(after, after_refund):
            return _finish(
                entry, AttemptStatus.SETTLED, writes, after, refund=after_refund, request_id=request_id
            )
        case Unchanged() | NoRoom():
            return _finish(
                entry, AttemptStatus.SETTLED, writes, payment, refund=refund, request_id=request_id
            )
        case _:
            assert_never(verdict)


def _refused(entry: _Entry, decline: Decline, request_id: str | None, status: AttemptStatus) -> Answer:
    attempt = entry.attempt
    code = decline.decline_code or decline.error_code
    cause = entry.world.because(
        status.lower(), attempt=attempt.number, code=code, stripe_request_id=request_id
    )
    if attempt.action is Action.REFUND:
        return _fail_refund(entry, str(code), status, cause_name=status.lower(), request_id=request_id)
    payment = entry.payment
    if payment_states.after(payment.status, PaymentNews.FAILED) is not PaymentStatus.FAILED:
        return _finish(entry, status, [], payment, request_id=request_id, code=code)
    failed = settlement.fail_payment(
        replace(payment, version=payment.version + 1),
        error_code=decline.error_code,
        decline_code=decline.decline_code,
    )
    writes = payment_writes(payment, failed, cause=cause, now=entry.now)
    return _finish(entry, status, writes, failed, request_id=request_id, code=code)


def _fail_refund(
    entry: _Entry, reason: str, status: AttemptStatus, *, cause_name: str, request_id: str | None = None
) -> Answer:
    payment, refund = entry.payment, _refund(entry)
    cause = entry.world.because(cause_name, attempt=entry.attempt.number, stripe_request_id=request_id)
    if refund_after(refund.status, RefundNews.FAILED) is refund.status:
        return _finish(entry, status, [], payment, refund=refund, request_id=request_id, code=reason)
    advanced = settlement.move_refund(payment, refund, RefundStatus.FAILED, failure_reason=reason)
    writes = refund_writes((payment, refund), advanced, cause=cause, now=entry.now)
    return _finish(
        entry, status, writes, advanced.payment, refund=advanced.refund, request_id=request_id, code=reason
    )


def _absent(entry: _Entry) -> Answer | Again:
    attempt, policy = entry.attempt, entry.world.policy
    if not absence_is_believed(attempt, asked_at=entry.asked_at, absence_delay=policy.absence_delay):
        return _put_off(entry, doubt_after_absence(attempt.doubt), code="not found")
    young = entry.now - attempt.first_sent_at < policy.key_safe_age
    if young and attempt.number < policy.max_attempts:
        return _next_attempt(entry)
    log.warning("gave up: never executed", payment_id=str(attempt.payment_id), refund_id=attempt.refund_id)
    if attempt.action is Action.REFUND:
        return _fail_refund(
            entry, RefundRefusal.NEVER_EXECUTED, AttemptStatus.ABSENT, cause_name="never executed"
        )
    return _refused(entry, Decline(), None, AttemptStatus.ABSENT)


def _next_attempt(entry: _Entry) -> Again:
    """The same request under a new key, now that the one before is known never to have been executed."""
    before = entry.attempt
    ended = attempts.finished(before, status=AttemptStatus.ABSENT, error_code=before.doubt, now=entry.now)
    write(entry.connection, [ended])
    following = new_attempt(
        entry.world,
        entry.payment,
        Request(before.path, before.parameters),
        now=entry.now,
        refund_id=before.refund_id,
        number=before.number + 1,
    )
    return Again(attempts.note(entry.connection, following), entry.payment)


def _put_off(entry: _Entry, doubt: Doubt | None, *, code: str) -> Answer:
    attempt = entry.attempt
    tries, delay = next_round(attempt.tries, code, dice=entry.world.dice())
    if code == Delay.PAUSED and attempt.unsent and pauses.stands(entry.connection, attempt.action):
        delay = LONGEST_PAUSE
    again_at = entry.now + delay
    put_off = attempts.put_off(
        attempt,
        doubt=doubt,
        tries=tries,
        next_action_at=again_at,
        error_code=code,
        sent_until=attempt.sent_until,
    )
    write(entry.connection, [put_off])
    log.warning(
        "attempt is put off",
        payment_id=str(attempt.payment_id),
        refund_id=attempt.refund_id and str(attempt.refund_id),
        attempt=attempt.number,
        because=code,
        tries=tries,
    )
    if entry.refund:
        return refund_answer(entry.refund, Unfinished.OURS, again_at)
    return payment_answer(entry.payment, Unfinished.OURS, again_at)


def _finish(
    entry: _Entry,
    status: AttemptStatus,
    writes: Writes,
    payment: Payment,
    *,
    refund: Refund | None = None,
    request_id: str | None,
    code: str | None = None,
) -> Answer:
    ended = attempts.finished(
        entry.attempt, status=status, error_code=code, stripe_request_id=request_id, now=entry.now
    )
    write(entry.connection, [*writes, ended])
    answer = refund_answer(refund) if refund else payment_answer(payment)
    log.info(
        "attempt is over",
        payment_id=str(entry.attempt.payment_id),
        refund_id=entry.attempt.refund_id and str(entry.attempt.refund_id),
        attempt=entry.attempt.number,
        outcome=status,
        status=answer.status,
        stripe_id=answer.stripe_id,
    )
    return answer


def _refund(entry: _Entry) -> Refund:
    assert entry.refund is not None  # noqa: S101 - a CHECK says that a refund's attempt names its refund
    return entry.refund
