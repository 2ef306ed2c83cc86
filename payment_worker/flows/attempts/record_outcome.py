"""Records an attempt's outcome, fenced by its lease, with history and messages in one transaction."""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from payment_worker.domain.attempts.absence import unknown_reason_after_absence
from payment_worker.domain.attempts.attempt import (
    Action,
    Attempt,
    AttemptStatus,
    LookupProgress,
)
from payment_worker.domain.attempts.outcome import (
    Absent,
    Declined,
    Delay,
    Outcome,
    Postponed,
    Rejected,
    ScanIncomplete,
    Shown,
    Unanswered,
    UnknownReason,
)
from payment_worker.domain.eligibility import RefundRejectionReason
from payment_worker.domain.findings.payments import payment_missing_there
from payment_worker.domain.findings.refunds import refund_missing_there
from payment_worker.domain.payment import Payment
from payment_worker.domain.snapshots import Decline, PaymentIntentSnapshot, RefundSnapshot
from payment_worker.flows.attempts.charge_outcome import (
    charge_refused,
    payment_intent_shown,
    record_first_response,
    retry_refused,
)
from payment_worker.flows.attempts.lifecycle import (
    CHARGES,
    ClaimedAttempt,
    Continue,
    LockedAttempt,
    is_wanted,
    new_attempt,
)
from payment_worker.flows.attempts.modify_outcome import change_never_executed, change_refused, change_shown
from payment_worker.flows.attempts.refund_outcome import refund_failed, refund_shown
from payment_worker.flows.context import Context
from payment_worker.flows.result import CommandResult, Unfinished, payment_result, refund_result
from payment_worker.flows.transitions.contradictions import record_finding
from payment_worker.gateway.requests import Request
from payment_worker.store.connection.database import Connection
from payment_worker.store.records import attempts, payments, refunds
from payment_worker.store.statements import write
from payment_worker.telemetry import logger
from payment_worker.telemetry.metrics import ATTEMPTS, account_label
from payment_worker.telemetry.recorder import count

log = logger(__name__)


def record(
    context: Context,
    attempt: Attempt,
    outcome: Outcome | Absent | ScanIncomplete,
    *,
    call_began_at: datetime,
    payment_before: Payment | None = None,
) -> CommandResult | Continue:
    """Record an outcome. If the lease was lost meanwhile nothing changes, and the current status is returned.

    Args:
        call_began_at: when the call to Stripe began; absence is decided by it.
        payment_before: as it was before the first request of the attempt, if this is the response to it.
    """
    result = (
        payment_before and _record_without_lock(context, attempt, payment_before, outcome)
    ) or _record_locked(context, attempt, outcome, call_began_at=call_began_at)
    context.notify_relay()
    return result


def _record_without_lock(
    context: Context, attempt: Attempt, payment: Payment, outcome: Outcome | Absent | ScanIncomplete
) -> CommandResult | None:
    """Record the usual outcome of a charge; None if it is another one, or a row has changed."""
    match outcome:
        case Shown(PaymentIntentSnapshot() as snapshot, is_present=True) | Declined(
            _, PaymentIntentSnapshot() as snapshot, is_present=True
        ) if attempt.action is Action.CHARGE:
            claimed = ClaimedAttempt(
                context=context,
                payment=payment,
                attempt=attempt,
                now=context.clock(),
                stripe_request_id=outcome.stripe_request_id,
            )
            return record_first_response(claimed, snapshot)
        case _:
            return None


def _record_locked(
    context: Context, attempt: Attempt, outcome: Outcome | Absent | ScanIncomplete, *, call_began_at: datetime
) -> CommandResult | Continue:
    with context.database.begin() as connection:
        current = attempts.lock_unfinished(connection, attempt.attempt_id)
        if current is None or current[1].lease_token != attempt.lease_token:
            log.info(
                "attempt leased elsewhere", attempt_id=attempt.attempt_id, payment_id=str(attempt.payment_id)
            )
            return present(connection, attempt)
        refund = refunds.find(connection, attempt.refund_id) if attempt.refund_id else None
        locked = LockedAttempt(
            context=context,
            connection=connection,
            payment=current[0],
            refund=refund,
            attempt=attempt,
            now=context.clock(),
            call_began_at=call_began_at,
            stripe_request_id=None
            if isinstance(outcome, Absent | ScanIncomplete)
            else outcome.stripe_request_id,
        )
        return _record(locked, outcome)


def present(connection: Connection, attempt: Attempt) -> CommandResult:
    """The state as it stands, of the refund or the payment that the attempt is for."""
    due_attempt = attempts.unfinished(connection, payment_id=attempt.payment_id, refund_id=attempt.refund_id)
    unfinished, due_again_at = (
        (Unfinished.OTHERS, due_attempt.next_action_at) if due_attempt else (None, None)
    )
    if attempt.refund_id and (refund := refunds.find(connection, attempt.refund_id)):
        return refund_result(refund, unfinished, due_again_at)
    payment = payments.find(connection, attempt.payment_id)
    assert payment is not None  # noqa: S101 - a foreign key says so
    return payment_result(payment, unfinished, due_again_at)


def _record(locked: LockedAttempt, outcome: Outcome | Absent | ScanIncomplete) -> CommandResult | Continue:
    match outcome:
        case Shown(snapshot, is_present=is_present):
            return _record_snapshot(locked, snapshot, is_present=is_present)
        case Declined(_, PaymentIntentSnapshot() as snapshot, is_present=is_present) if (
            locked.attempt.action in CHARGES
        ):
            return _record_snapshot(locked, snapshot, is_present=is_present)
        case Declined(decline, snapshot):
            return _record_refusal(locked, decline, snapshot, AttemptStatus.DECLINED)
        case Rejected(code, snapshot=snapshot):
            return _record_refusal(locked, Decline(error_code=code), snapshot, AttemptStatus.REFUSED)
        case Unanswered(unknown_reason):
            return locked.reschedule(unknown_reason, code=unknown_reason)
        case Postponed(delay, detail=detail):
            return locked.reschedule(locked.attempt.unknown_reason, code=delay, detail=detail)
        case Absent():
            is_void = locked.attempt.never_sent and not is_wanted(locked.attempt, locked.payment)
            return change_never_executed(locked) if is_void else _record_absence(locked)
        case ScanIncomplete(after):
            return _record_incomplete_scan(locked, after)
        case _:
            assert_never(outcome)


def _record_snapshot(
    locked: LockedAttempt,
    snapshot: PaymentIntentSnapshot | RefundSnapshot,
    *,
    is_present: bool,
) -> CommandResult | Continue:
    if isinstance(snapshot, RefundSnapshot):
        return refund_shown(locked, snapshot)
    versioned = locked.based(snapshot, is_present=is_present)
    if locked.attempt.action in {Action.CAPTURE, Action.CANCEL}:
        return change_shown(locked, versioned)
    return payment_intent_shown(locked, versioned)


def _record_refusal(
    locked: LockedAttempt,
    decline: Decline,
    snapshot: PaymentIntentSnapshot | None,
    status: AttemptStatus,
) -> CommandResult | Continue:
    code = str(decline.decline_code or decline.error_code)
    match locked.attempt.action:
        case Action.REFUND:
            return refund_failed(locked, code, status, cause_name=status.lower())
        case Action.CAPTURE | Action.CANCEL:
            return change_refused(locked, snapshot, code=code)
        case Action.RETRY if snapshot:
            return retry_refused(locked, snapshot, code=code)
        case Action.CHARGE | Action.RETRY:
            return charge_refused(locked, decline, status)
        case _:
            assert_never(locked.attempt.action)


def _record_absence(locked: LockedAttempt) -> CommandResult | Continue:
    attempt, policy = locked.attempt, locked.context.policy
    if not locked.could_believe_absence:
        return locked.reschedule(unknown_reason_after_absence(attempt.unknown_reason), code="not found")
    if not locked.believes_absence():
        return locked.reschedule(
            unknown_reason_after_absence(attempt.unknown_reason), code=Delay.CLOCKS_APART
        )
    if locked.payment.version != attempt.as_of_version:
        # An update arrived after the look-up: it may concern the object that was looked up.
        return Continue(replace(attempt, as_of_version=locked.payment.version), locked.payment)
    if locked.is_on_record:
        difference = (
            refund_missing_there(locked.refund, stripe_account=locked.payment.stripe_account)
            if locked.refund
            else payment_missing_there(locked.payment)
        )
        record_finding(locked.context, locked.connection, difference)
        return locked.reschedule(
            UnknownReason.CONTRADICTS_RECORD, code="not found, though Stripe has shown it"
        )
    may_begin = (
        is_wanted(attempt, locked.payment) and locked.now - attempt.first_sent_at < policy.key_safe_age
    )
    if may_begin and 1 + attempts.count_absent(locked.connection, attempt) < policy.max_attempts:
        return _begin_next_attempt(locked)
    log.warning(
        "attempt given up: never executed",
        payment_id=str(attempt.payment_id),
        refund_id=attempt.refund_id,
        action=attempt.action,
    )
    match attempt.action:
        case Action.REFUND:
            reason, cause_name = RefundRejectionReason.NEVER_EXECUTED, "never executed"
            return refund_failed(locked, reason, AttemptStatus.ABSENT, cause_name=cause_name)
        case Action.CAPTURE | Action.CANCEL:
            return change_never_executed(locked)
        case Action.CHARGE | Action.RETRY:
            return charge_refused(locked, Decline(), AttemptStatus.ABSENT)
        case _:
            assert_never(attempt.action)


def _record_incomplete_scan(locked: LockedAttempt, after: str) -> CommandResult:
    """Keep the position of a look-up that could not read the list to its end.

    Only if it began when absence would have been proven: in the part read before that, the object may still be
    created.
    """
    attempt = locked.attempt
    if not locked.could_believe_absence:
        return locked.reschedule(unknown_reason_after_absence(attempt.unknown_reason), code="not found")
    updated = replace(attempt, lookup_progress=LookupProgress(locked.call_began_at, after))
    return replace(locked, attempt=updated).reschedule(attempt.unknown_reason, code=Delay.SCAN_CONTINUES)


def _begin_next_attempt(locked: LockedAttempt) -> Continue:
    """The same request under a new key, now that the one before is known never to have been executed."""
    previous = locked.attempt
    update = attempts.finished(
        previous, status=AttemptStatus.ABSENT, error_code=previous.unknown_reason, now=locked.now
    )
    write(locked.connection, [update])
    count(
        ATTEMPTS,
        previous.action,
        AttemptStatus.ABSENT.lower(),
        account_label(locked.payment.stripe_account),
    )
    attempt = new_attempt(
        locked.context,
        locked.payment,
        Request(previous.path, previous.parameters),
        action=previous.action,
        now=locked.now,
        refund_id=previous.refund_id,
        number=previous.number + 1,
        request_id=previous.request_id,
    )
    return Continue(attempts.insert(locked.connection, attempt), locked.payment)
