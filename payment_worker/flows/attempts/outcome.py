"""Noting what an attempt came to: under the payment's lock, fenced, with history and messages in one transaction."""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from payment_worker.domain.attempt import Action, Attempt, AttemptStatus, Look, doubt_after_absence
from payment_worker.domain.backoff import LOOKS_ON
from payment_worker.domain.discrepancies import payment_missing_there, refund_missing_there
from payment_worker.domain.eligibility import RefundRefusal
from payment_worker.domain.outcome import (
    Absent,
    Declined,
    Delay,
    Doubt,
    Outcome,
    Partly,
    Postponed,
    Refused,
    Shown,
    Unanswered,
)
from payment_worker.domain.snapshots import Decline, PaymentIntentSnapshot, RefundSnapshot
from payment_worker.flows.attempts.charge_outcome import charge_refused, payment_intent_shown, retry_refused
from payment_worker.flows.attempts.lifecycle import CHARGES, Again, Entry, new_attempt
from payment_worker.flows.attempts.modify_outcome import change_never_executed, change_refused, change_shown
from payment_worker.flows.attempts.refund_outcome import refund_failed, refund_shown
from payment_worker.flows.context import World
from payment_worker.flows.result import Answer, Unfinished, payment_answer, refund_answer
from payment_worker.flows.transitions.contradictions import note_finding
from payment_worker.gateway.requests import Request
from payment_worker.store import attempts, payments, refunds
from payment_worker.store.database import Connection
from payment_worker.store.statements import write
from payment_worker.telemetry import logger
from payment_worker.telemetry.metrics import ATTEMPTS, label
from payment_worker.telemetry.recorder import count

log = logger(__name__)


def record(
    world: World, attempt: Attempt, outcome: Outcome | Absent | Partly, *, asked_at: datetime
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
        entry = Entry(world, connection, locked[0], refund, attempt, world.clock(), asked_at)
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


def _note(entry: Entry, outcome: Outcome | Absent | Partly) -> Answer | Again:
    match outcome:
        case Shown(seen, request_id, is_present):
            return _seen(entry, seen, request_id, is_present=is_present)
        case Declined(_, PaymentIntentSnapshot() as seen, request_id, is_present) if (
            entry.attempt.action in CHARGES
        ):
            return _seen(entry, seen, request_id, is_present=is_present)
        case Declined(decline, seen, request_id):
            return _refused(entry, decline, seen, request_id, AttemptStatus.DECLINED)
        case Refused(code, request_id, seen):
            return _refused(entry, Decline(error_code=code), seen, request_id, AttemptStatus.REFUSED)
        case Unanswered(doubt, request_id):
            return entry.put_off(doubt, code=doubt, request_id=request_id)
        case Postponed(delay, request_id):
            return entry.put_off(entry.attempt.doubt, code=delay, request_id=request_id)
        case Absent():
            return _absent(entry)
        case Partly(after):
            return _partly(entry, after)
        case _:
            assert_never(outcome)


def _seen(
    entry: Entry, seen: PaymentIntentSnapshot | RefundSnapshot, request_id: str | None, *, is_present: bool
) -> Answer | Again:
    if isinstance(seen, RefundSnapshot):
        return refund_shown(entry, seen, request_id)
    based = entry.based(seen, is_present=is_present)
    if entry.attempt.action in {Action.CAPTURE, Action.CANCEL}:
        return change_shown(entry, based, request_id)
    return payment_intent_shown(entry, based, request_id)


def _refused(
    entry: Entry,
    decline: Decline,
    seen: PaymentIntentSnapshot | None,
    request_id: str | None,
    status: AttemptStatus,
) -> Answer | Again:
    code = str(decline.decline_code or decline.error_code)
    match entry.attempt.action:
        case Action.REFUND:
            return refund_failed(entry, code, status, cause_name=status.lower(), request_id=request_id)
        case Action.CAPTURE | Action.CANCEL:
            return change_refused(entry, seen, code=code, request_id=request_id)
        case Action.RETRY if seen:
            return retry_refused(entry, seen, code=code, request_id=request_id)
        case Action.CHARGE | Action.RETRY:
            return charge_refused(entry, decline, request_id, status)
        case _:
            assert_never(entry.attempt.action)


def _absent(entry: Entry) -> Answer | Again:
    attempt, policy = entry.attempt, entry.world.policy
    if not entry.could_believe_absence:
        return entry.put_off(doubt_after_absence(attempt.doubt), code="not found")
    if not entry.believes_absence():
        return entry.put_off(doubt_after_absence(attempt.doubt), code=Delay.CLOCKS_APART)
    if entry.payment.version != attempt.as_of_version:
        # News came after the look: what it told of may be what was looked for.
        return Again(replace(attempt, as_of_version=entry.payment.version), entry.payment)
    if entry.is_on_record:
        missing = (
            refund_missing_there(entry.refund, stripe_account=entry.payment.stripe_account)
            if entry.refund
            else payment_missing_there(entry.payment)
        )
        note_finding(entry.world, entry.connection, missing)
        return entry.put_off(Doubt.CONTRADICTED, code="not found, though Stripe has shown it")
    young = entry.now - attempt.first_sent_at < policy.key_safe_age
    if young and 1 + attempts.count_absent(entry.connection, attempt) < policy.max_attempts:
        return _next_attempt(entry)
    log.warning(
        "gave up: never executed",
        payment_id=str(attempt.payment_id),
        refund_id=attempt.refund_id,
        action=attempt.action,
    )
    match attempt.action:
        case Action.REFUND:
            reason, why = RefundRefusal.NEVER_EXECUTED, "never executed"
            return refund_failed(entry, reason, AttemptStatus.ABSENT, cause_name=why)
        case Action.CAPTURE | Action.CANCEL:
            return change_never_executed(entry)
        case Action.CHARGE | Action.RETRY:
            return charge_refused(entry, Decline(), None, AttemptStatus.ABSENT)
        case _:
            assert_never(attempt.action)


def _partly(entry: Entry, after: str) -> Answer:
    """One round could not read the list to its end.

    The place is kept only by a look that began when its absence would have been believed: the part that was read
    before that may still receive what was sent.
    """
    attempt = entry.attempt
    if not entry.could_believe_absence:
        return entry.put_off(doubt_after_absence(attempt.doubt), code="not found")
    looked = replace(attempt, look=Look(entry.asked_at, after))
    return replace(entry, attempt=looked).put_off(attempt.doubt, code=LOOKS_ON)


def _next_attempt(entry: Entry) -> Again:
    """The same request under a new key, now that the one before is known never to have been executed."""
    before = entry.attempt
    ended = attempts.finished(before, status=AttemptStatus.ABSENT, error_code=before.doubt, now=entry.now)
    write(entry.connection, [ended])
    count(ATTEMPTS, before.action, label(AttemptStatus.ABSENT))
    following = new_attempt(
        entry.world,
        entry.payment,
        Request(before.path, before.parameters),
        action=before.action,
        now=entry.now,
        refund_id=before.refund_id,
        number=before.number + 1,
        request_id=before.request_id,
    )
    return Again(attempts.note(entry.connection, following), entry.payment)
