"""Executes one attempt: sends its request to Stripe and records the outcome, or reschedules it.

No transaction and no lock is open during a call to Stripe.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from payment_worker.domain.attempts.attempt import (
    LOOKUP_FIRST,
    ON_EXISTING,
    Attempt,
    AttemptStatus,
    Step,
    next_step,
)
from payment_worker.domain.attempts.outcome import (
    NOT_SENT,
    Absent,
    Delay,
    Outcome,
    Postponed,
    Rejected,
    ScanIncomplete,
    Shown,
    Unanswered,
    UnknownReason,
)
from payment_worker.domain.payment import Payment
from payment_worker.domain.snapshots import PaymentIntentSnapshot
from payment_worker.flows.attempts.lifecycle import Continue, is_on_record, is_wanted
from payment_worker.flows.attempts.lookup import look_up
from payment_worker.flows.attempts.record_outcome import record
from payment_worker.flows.context import Context
from payment_worker.flows.result import CommandResult
from payment_worker.gateway.transport.errors import NO_SUCH_ACCOUNT
from payment_worker.store.records import attempts, refunds
from payment_worker.store.statements import write
from payment_worker.telemetry import about, learned

MOST_STEPS: Final = 5
"""Steps in one run: send, look up after a 5xx, look up again after a concurrent change, execute a replacement attempt.
"""

MUST_LOOK: Final = frozenset(
    {UnknownReason.SERVER_ERROR, UnknownReason.REPLAYED_SERVER_ERROR, UnknownReason.REJECTED_LATER}
)
"""Reasons for which a look-up follows at once: after a 5xx the effect may well exist."""

MARGIN: Final = timedelta(seconds=0.25)
"""Time to record an outcome before the lease expires."""


def execute_attempt(context: Context, attempt: Attempt, payment: Payment) -> CommandResult:
    """Work on an attempt that is ours until its lease ends."""
    with about(payment_id=attempt.payment_id, refund_id=attempt.refund_id, action=attempt.action):
        return _execute_steps(context, attempt, payment)


def _execute_steps(context: Context, attempt: Attempt, payment: Payment) -> CommandResult:
    for _ in range(MOST_STEPS):
        learned(attempt=attempt.number)
        step = _next_step(context, attempt, payment)
        if step is Step.SEND and not context.pauses.hold(attempt.action):
            payment_before = payment if attempt.never_sent else None
            outcome = _send(context, attempt, payment)
            attempt = _after_sending(attempt, outcome, now=context.clock(), stripe_now=context.stripe.now())
            outcome = _with_current_payment_intent(context, attempt, payment, outcome)
            if isinstance(outcome, Unanswered) and outcome.unknown_reason in MUST_LOOK:
                attempt = replace(
                    attempt,
                    status=AttemptStatus.UNKNOWN,
                    unknown_reason=outcome.unknown_reason,
                    stripe_request_id=outcome.stripe_request_id,
                )
                continue
            result = record(
                context, attempt, outcome, call_began_at=attempt.sent_until, payment_before=payment_before
            )
        else:
            call_began_at = context.clock()
            lookup = look_up if step is Step.LOOK_UP else _look_up_while_paused
            result = record(
                context,
                attempt,
                lookup(context, attempt, payment, call_began_at=call_began_at),
                call_began_at=call_began_at,
            )
        if isinstance(result, CommandResult):
            return result
        attempt, payment = result.attempt, result.payment
    result = record(
        context,
        attempt,
        Unanswered(attempt.unknown_reason or UnknownReason.SUPERSEDED),
        call_began_at=context.clock(),
    )
    if isinstance(result, Continue):
        raise AssertionError("an unanswered attempt is always left for later")  # noqa: TRY004 - no wrong type: a bug
    return result


def _next_step(context: Context, attempt: Attempt, payment: Payment) -> Step:
    if not is_wanted(attempt, payment):
        return Step.LOOK_UP
    return next_step(attempt, now=context.clock(), key_safe_age=context.policy.key_safe_age)


def _send(context: Context, attempt: Attempt, payment: Payment) -> Outcome:
    key_is_safe_until = attempt.first_sent_at + context.policy.key_safe_age
    until = min(attempt.leased_until - MARGIN, key_is_safe_until)

    def time_left() -> float:
        return (until - context.clock()).total_seconds()

    return context.stripe.send(
        attempt,
        account=payment.stripe_account,
        time_left=time_left,
        is_paused=lambda: context.pauses.hold(attempt.action),
    )


def _after_sending(
    attempt: Attempt, outcome: Outcome, *, now: datetime, stripe_now: datetime | None
) -> Attempt:
    was_not_sent = isinstance(outcome, Postponed) and outcome.delay in NOT_SENT
    return replace(
        attempt,
        sent_until=now,
        stripe_sent_at=attempt.stripe_sent_at or (stripe_now and stripe_now - (now - attempt.first_sent_at)),
        never_sent=attempt.never_sent and was_not_sent,
        lookup_progress=None,
    )


def _with_current_payment_intent(
    context: Context, attempt: Attempt, payment: Payment, outcome: Outcome
) -> Outcome:
    """A rejection, with the current PaymentIntent in place of our assumption about it.

    If it cannot be retrieved now, the same request is rejected again later.
    """
    if not isinstance(outcome, Rejected) or attempt.action not in ON_EXISTING:
        return outcome
    if outcome.code == NO_SUCH_ACCOUNT:
        return outcome  # without permission for the request there may be none to retrieve it either
    result = context.stripe.payment_intent(payment.payment_intent, account=payment.stripe_account)
    match result:
        case Shown(PaymentIntentSnapshot() as intent):
            return replace(outcome, snapshot=intent)
        case Unanswered() | Postponed():
            return Unanswered(UnknownReason.NO_ANSWER)
        case _:
            return outcome


def _look_up_while_paused(
    context: Context, attempt: Attempt, payment: Payment, *, call_began_at: datetime
) -> Outcome:
    """What Stripe shows of an attempt that may not be sent now; whatever is not there waits for the pause's end."""
    if attempt.never_sent:
        return Postponed(Delay.PAUSED)
    result = look_up(context, attempt, payment, call_began_at=call_began_at)
    return Postponed(Delay.PAUSED) if isinstance(result, Absent | ScanIncomplete) else result


def run_if_due(context: Context, attempt_id: int) -> CommandResult | None:
    """Execute an attempt if it is due; None if another worker has its lease, or it is finished."""
    return _claim_and_execute(context, attempt_id, lambda attempt: attempt.leased_until <= context.clock())


def run_claimed(context: Context, attempt_id: int, *, lease_token: int) -> CommandResult | None:
    """Execute an attempt that the sweep claimed under this token; None if the token is not valid any more."""
    now = context.clock()
    unsent = attempts.claim_unsent(
        context.database,
        attempt_id,
        lease_token=lease_token,
        now=now,
        stripe_now=context.stripe.now(),
        leased_until=now + context.policy.lease,
    )
    if unsent:
        payment, attempt = unsent
        return execute_attempt(context, attempt, payment)
    return _claim_and_execute(context, attempt_id, lambda attempt: attempt.lease_token == lease_token)


def _claim_and_execute(
    context: Context, attempt_id: int, may_run: Callable[[Attempt], bool]
) -> CommandResult | None:
    with context.database.begin() as connection:
        locked = attempts.lock_unfinished(connection, attempt_id)
        if locked is None or not may_run(locked[1]):
            return None
        payment, attempt = locked
        refund = refunds.find(connection, attempt.refund_id) if attempt.refund_id else None
        if is_on_record(attempt.action, payment, refund):
            # News came first; or the database was restored, and the key may be older than we know.
            unknown_reason = (
                attempt.unknown_reason if attempt.unknown_reason in LOOKUP_FIRST else UnknownReason.SUPERSEDED
            )
            attempt = replace(attempt, never_sent=False, unknown_reason=unknown_reason)
        now, stripe_now = context.clock(), context.stripe.now()
        leased_until = now + context.policy.lease
        will_send = _next_step(context, attempt, payment) is Step.SEND
        claim = attempts.claimed(
            attempt, now=now, stripe_now=stripe_now, leased_until=leased_until, will_send=will_send
        )
        write(connection, [claim])
    leased = replace(
        attempt,
        lease_token=attempt.lease_token + 1,
        leased_until=leased_until,
        sent_until=leased_until if will_send else attempt.sent_until,
        first_sent_at=now if attempt.never_sent else attempt.first_sent_at,
        stripe_sent_at=stripe_now if attempt.never_sent else attempt.stripe_sent_at,
        lookup_progress=None if will_send else attempt.lookup_progress,
    )
    return execute_attempt(context, leased, payment)
