"""Shared steps of capture, cancel and retry: lock the payment, check eligibility, create one attempt, execute it.

These requests have no id of their own. A repeated one is recognised by its arguments while the first has no outcome,
by the status that it leads to, and by the id of its message.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from payment_worker.domain.attempts.attempt import Action, Attempt, AttemptStatus
from payment_worker.domain.eligibility import Done, Reject, RejectionReason
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.flows.attempts.execute import execute_attempt, run_if_due
from payment_worker.flows.attempts.lifecycle import is_on_record, new_attempt
from payment_worker.flows.context import Context
from payment_worker.flows.rejections import RejectedChange, reject_change, rejected_before
from payment_worker.flows.result import CommandResult, NoSuchPayment, Unfinished, payment_result
from payment_worker.flows.transitions.payments import payment_writes
from payment_worker.gateway.requests import Request
from payment_worker.store import pauses
from payment_worker.store.connection.database import Connection
from payment_worker.store.records import attempts, automatic_retries, payments, stripe_requests
from payment_worker.store.records.stripe_requests import StripeRequest
from payment_worker.store.statements import write


@dataclass(frozen=True, slots=True)
class Busy:
    """The outcome of another attempt on the payment is unknown."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The request to send to Stripe, and the payment as it is once that is recorded."""

    request: Request
    after: Payment


Decide = Callable[[Connection, Payment], Wanted | Done | Reject]
"""Decides under the payment's lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The change that a message requests."""

    action: Action
    payment_id: UUID
    message_id: UUID | None
    """None: the worker itself requests it."""
    arguments: Mapping[str, object]
    decide: Decide
    is_same: Callable[[Payment, StripeRequest], bool]
    """Whether an unfinished request is for the same change."""
    is_ours: bool = False
    """Whether the worker itself requests it, so that a rejection is not published."""

    def refused(self, reason: str = "") -> RejectedChange:
        """The rejection to store."""
        return RejectedChange(self.action, self.payment_id, self.arguments, reason)


@dataclass(frozen=True, slots=True)
class _Recorded:
    attempt: Attempt
    payment: Payment


@dataclass(frozen=True, slots=True)
class _Waiting:
    attempt_id: int
    result: CommandResult


def ask_for(context: Context, change: Change, *, wait_if_busy: bool) -> CommandResult | NoSuchPayment | Busy:
    """Execute the change once, however often this message is delivered.

    Args:
        wait_if_busy: while another attempt has no outcome, return `Busy` instead of rejecting.
    """
    with context.database.begin() as connection:
        payment = payments.lock(connection, change.payment_id)
        if payment is None:
            return NoSuchPayment()
        recorded = _record_change(context, connection, change, payment, wait_if_busy=wait_if_busy)
    context.notify_relay()
    match recorded:
        case _Recorded(attempt, updated):
            return execute_attempt(context, attempt, updated)
        case _Waiting(attempt_id, result):
            return run_if_due(context, attempt_id) or result
        case _:
            return recorded


def _record_change(
    context: Context, connection: Connection, change: Change, payment: Payment, *, wait_if_busy: bool
) -> _Recorded | _Waiting | CommandResult | Busy:
    now = context.clock()
    if unanswered := stripe_requests.unanswered(connection, change.payment_id):
        if unanswered.action is change.action and change.is_same(payment, unanswered):
            result = payment_result(payment, Unfinished.OTHERS, unanswered.next_action_at)
            return _Waiting(unanswered.attempt_id, result)
        if canceled := _cancel_unsent(context, connection, change, payment, unanswered):
            return canceled
        if wait_if_busy:
            return Busy()
        return _refuse_change(connection, change, payment, RejectionReason.ATTEMPT_UNANSWERED, now)
    if change.message_id and (
        earlier_result := _earlier_result(connection, change, payment, change.message_id)
    ):
        return earlier_result
    match change.decide(connection, payment):
        case Done():
            return payment_result(payment)
        case Reject(rejection_reason):
            return _refuse_change(connection, change, payment, rejection_reason, now)
        case Wanted() as wanted:
            return _insert_attempt(context, connection, change, payment, wanted)


def _cancel_unsent(
    context: Context, connection: Connection, change: Change, payment: Payment, unanswered: StripeRequest
) -> CommandResult | Busy | None:
    """Cancel a payment of which Stripe was never asked, such as one that is to be charged later; None if it was."""
    if (change.action, unanswered.action) != (Action.CANCEL, Action.CHARGE):
        return None
    # Only what the locked row says counts: a worker claims an unsent attempt without locking the payment.
    locked = attempts.lock_unfinished(connection, unanswered.attempt_id)
    if locked is None or not locked[1].never_sent or is_on_record(Action.CHARGE, payment, None):
        return None
    if pauses.stands(connection, Action.CANCEL):
        return Busy()  # after a restore everything is paused, and Stripe may have charged without our knowing
    reason, attempt = change.arguments.get("reason"), locked[1]
    after = replace(
        payment,
        status=PaymentStatus.CANCELED,
        cancellation_reason=None if reason is None else str(reason),
        version=payment.version + 1,
    )
    now = context.clock()
    cause = context.cause("cancel requested", attempt=attempt.number)
    update = attempts.finished(attempt, status=AttemptStatus.ABSENT, now=now)
    write(connection, [*payment_writes(payment, after, cause=cause, now=now), update])
    return payment_result(after)


def _earlier_result(
    connection: Connection, change: Change, payment: Payment, message_id: UUID
) -> CommandResult | None:
    """The result of the same request of the same message, if it was delivered before."""
    earlier = stripe_requests.by_message(
        connection, message_id, payment_id=change.payment_id, action=change.action
    )
    if earlier and change.is_same(payment, earlier):
        result = payment_result(payment)
        return replace(result, reason=earlier.error_code or result.reason)
    if reason := rejected_before(connection, change.refused(), request_id=message_id):
        return replace(payment_result(payment), reason=reason)
    return None


def _refuse_change(
    connection: Connection, change: Change, payment: Payment, rejection_reason: RejectionReason, now: datetime
) -> CommandResult:
    if change.message_id and not change.is_ours:
        rejection = change.refused(rejection_reason.value)
        reject_change(connection, rejection, request_id=change.message_id, now=now)
    return replace(payment_result(payment), reason=rejection_reason.value)


def _insert_attempt(
    context: Context, connection: Connection, change: Change, before: Payment, wanted: Wanted
) -> _Recorded:
    after, now = wanted.after, context.clock()
    attempt = new_attempt(
        context,
        after,
        wanted.request,
        action=change.action,
        now=now,
        number=stripe_requests.last_number(connection, after.payment_id) + 1,
        request_id=change.message_id,
    )
    if after != before:
        cause = context.cause(f"{change.action} requested", attempt=attempt.number)
        write(connection, payment_writes(before, after, cause=cause, now=now))
    automatic_retries.cancel_retries(connection, after.payment_id)
    return _Recorded(attempts.insert(connection, attempt), after)
