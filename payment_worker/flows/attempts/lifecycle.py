"""Finishes or reschedules an attempt under the locks of its payment and refund."""

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from payment_worker.domain.attempts.absence import absence_is_believed
from payment_worker.domain.attempts.attempt import Action, Attempt, AttemptStatus
from payment_worker.domain.attempts.backoff import LONGEST_PAUSE, next_try
from payment_worker.domain.attempts.idempotency_key import idempotency_key
from payment_worker.domain.attempts.outcome import Delay, UnknownReason
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.domain.refund import Refund
from payment_worker.domain.retry_policy import automatic_retry_at
from payment_worker.domain.snapshots import PaymentIntentSnapshot
from payment_worker.flows.clocks import apart
from payment_worker.flows.context import Context
from payment_worker.flows.result import CommandResult, Unfinished, payment_result, refund_result
from payment_worker.flows.transitions.judgement import Writes
from payment_worker.flows.transitions.payments import payment_writes
from payment_worker.gateway.requests import Request
from payment_worker.store import pauses
from payment_worker.store.connection.database import Connection
from payment_worker.store.records import attempts
from payment_worker.store.records.history import Cause
from payment_worker.store.statements import Change, write
from payment_worker.telemetry import logger
from payment_worker.telemetry.metrics import ATTEMPTS, RESCHEDULED, account_label
from payment_worker.telemetry.recorder import count, counted_on_success

log = logger(__name__)

CHARGES: Final = frozenset({Action.CHARGE, Action.RETRY})
"""Actions that try to take the money."""


def is_on_record(action: Action, payment: Payment, refund: Refund | None) -> bool:
    """Whether Stripe has shown what such an attempt makes."""
    match action:
        case Action.CHARGE:
            return payment.stripe_payment_intent_id is not None
        case Action.REFUND:
            return refund is not None and refund.stripe_refund_id is not None
        case _:
            return False


def is_wanted(attempt: Attempt, payment: Payment) -> bool:
    """Whether its request is to be sent; the worker's own cancellation only while the customer is still awaited."""
    is_our_cancellation = attempt.action is Action.CANCEL and attempt.request_id is None
    return not is_our_cancellation or payment.status is PaymentStatus.REQUIRES_ACTION


@dataclass(frozen=True, slots=True)
class Continue:
    """There is more to do at once: with the same attempt, or with the one that follows it."""

    attempt: Attempt
    payment: Payment


class _ChangedError(Exception):
    """Nothing was written, so nothing of it is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedAttempt:
    """One attempt whose outcome is being recorded, and its payment as we read it last: no row is locked."""

    context: Context
    payment: Payment
    attempt: Attempt
    now: datetime
    stripe_request_id: str | None
    """That of the response which has the outcome, if one has."""

    def cause(self, cause: str, **detail: object) -> Cause:
        """The cause of a change that this attempt makes."""
        detail["stripe_request_id"] = self.stripe_request_id
        known_detail = {name: value for name, value in detail.items() if value is not None}
        return self.context.cause(cause, attempt=self.attempt.number, **known_detail)

    def based(self, snapshot: PaymentIntentSnapshot, *, is_present: bool) -> PaymentIntentSnapshot:
        """The snapshot in a response, with the row's version before the call if it shows the current state."""
        if not is_present:
            return snapshot
        # A look-up that shows the state before the attempt does not get here: it has found nothing.
        return replace(snapshot, as_of_version=self.attempt.as_of_version, is_from_attempt=True)

    def finish_if_unchanged(self, status: AttemptStatus, payment: Payment) -> CommandResult | None:
        """Finish the attempt and write the payment in one statement; None if the lease or the payment has changed."""
        with suppress(_ChangedError), counted_on_success():
            writes = payment_writes(
                self.payment,
                payment,
                cause=self.cause("answered"),
                now=self.now,
                action_expiry=self.context.policy.action_expiry,
            )
            update = self._finished(status, payment)
            if not attempts.write_if_unchanged(
                self.context.database, self.attempt, self.payment, [*writes, update]
            ):
                raise _ChangedError
            return self._log_finished(status, payment_result(payment))
        return None

    def _finished(self, status: AttemptStatus, payment: Payment, *, code: str | None = None) -> Change:
        return attempts.finished(
            self.attempt,
            status=status,
            error_code=code,
            stripe_request_id=self.stripe_request_id,
            retry_at=self._retry_at(status, payment),
            now=self.now,
        )

    def _log_finished(self, status: AttemptStatus, result: CommandResult) -> CommandResult:
        count(ATTEMPTS, self.attempt.action, status.lower(), account_label(self.payment.stripe_account))
        log.info(
            "attempt finished",
            **self._ids(),
            outcome=status,
            status=result.status,
            stripe_id=result.stripe_id,
        )
        return result

    def _retry_at(self, status: AttemptStatus, payment: Payment) -> datetime | None:
        if status is not AttemptStatus.DECLINED or self.attempt.action not in CHARGES:
            return None
        if not json.loads(self.attempt.parameters).get("off_session"):
            return None  # its customer was there, and is not any more
        return automatic_retry_at(payment, policy=self.context.policy.retries, now=self.now)

    def _ids(self) -> dict[str, object]:
        attempt = self.attempt
        return {
            "payment_id": str(attempt.payment_id),
            "refund_id": attempt.refund_id and str(attempt.refund_id),
            "attempt": attempt.number,
            "action": attempt.action,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedAttempt(ClaimedAttempt):
    """One attempt whose outcome is being recorded, with all its rows locked."""

    connection: Connection
    refund: Refund | None
    call_began_at: datetime

    @property
    def could_believe_absence(self) -> bool:
        """Whether an object that Stripe does not show is absent, provided that the clocks are right."""
        absence_delay = self.context.policy.absence_delay
        return absence_is_believed(
            self.attempt, call_began_at=self.call_began_at, absence_delay=absence_delay
        )

    def believes_absence(self) -> bool:
        """Whether an object that Stripe does not show is absent."""
        return self.could_believe_absence and apart(self.context) is None

    @property
    def is_on_record(self) -> bool:
        """Whether Stripe has shown before what the attempt makes, so that its absence now cannot be true."""
        return is_on_record(self.attempt.action, self.payment, self.refund)

    def reschedule(
        self,
        unknown_reason: UnknownReason | None,
        *,
        code: str,
        detail: str | None = None,
    ) -> CommandResult:
        """Reschedule the attempt; with an unknown reason, as unknown. The detail is Stripe's own code."""
        attempt = self.attempt
        tries, delay = next_try(attempt.tries, code, jitter=self.context.jitter())
        if code == Delay.PAUSED and attempt.never_sent and pauses.stands(self.connection, attempt.action):
            delay = LONGEST_PAUSE
        due_again_at = self.now + delay
        update = attempts.reschedule(
            attempt,
            unknown_reason=unknown_reason,
            tries=tries,
            next_action_at=due_again_at,
            error_code=f"{code}: {detail}" if detail else code,
            stripe_request_id=self.stripe_request_id,
        )
        write(self.connection, [update])
        count(RESCHEDULED, attempt.action, code)
        extra = {"detail": detail} if detail else {}
        log.warning("attempt rescheduled", **self._ids(), reason=code, **extra, tries=tries)
        if self.refund:
            return refund_result(self.refund, Unfinished.OURS, due_again_at)
        return payment_result(self.payment, Unfinished.OURS, due_again_at)

    def finish(
        self,
        status: AttemptStatus,
        writes: Writes,
        payment: Payment,
        *,
        refund: Refund | None = None,
        code: str | None = None,
    ) -> CommandResult:
        """Finish the attempt and write its outcome."""
        write(self.connection, [*writes, self._finished(status, payment, code=code)])
        return self._log_finished(status, refund_result(refund) if refund else payment_result(payment))


def new_attempt(
    context: Context,
    payment: Payment,
    request: Request,
    *,
    action: Action,
    now: datetime,
    refund_id: UUID | None = None,
    number: int = 1,
    request_id: UUID | None = None,
) -> Attempt:
    """An attempt under a key of its own, leased to us. Its id comes from the database."""
    leased_until = now + context.policy.lease
    return Attempt(
        attempt_id=0,
        payment_id=payment.payment_id,
        refund_id=refund_id,
        number=number,
        action=action,
        path=request.path,
        parameters=request.parameters,
        idempotency_key=idempotency_key(
            refund_id or payment.payment_id, action, number, request_id=request_id
        ),
        status=AttemptStatus.OPEN,
        unknown_reason=None,
        first_sent_at=now,
        sent_until=leased_until,
        stripe_sent_at=context.stripe.now(),
        tries=0,
        lease_token=1,
        leased_until=leased_until,
        as_of_version=payment.version,
        never_sent=True,
        request_id=request_id,
    )
