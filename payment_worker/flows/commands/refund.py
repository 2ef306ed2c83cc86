"""Refunds: reserves the amount under the payment's lock, then executes, waits for the payment, or rejects."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never
from uuid import UUID

from payment_worker.contracts.requests import RefundRequest, fingerprint
from payment_worker.domain.attempts.attempt import Action, Attempt
from payment_worker.domain.eligibility import RejectRefund, Reserve, Wait, decide_refund
from payment_worker.domain.metadata_mac import Claim, sign
from payment_worker.domain.payment import Payment
from payment_worker.domain.refund import Refund, RefundStatus
from payment_worker.flows.attempts.execute import execute_attempt, run_if_due
from payment_worker.flows.attempts.lifecycle import new_attempt
from payment_worker.flows.context import Context
from payment_worker.flows.result import CommandResult, Conflict, NoSuchPayment, Unfinished, refund_result
from payment_worker.flows.transitions.judgement import Writes
from payment_worker.flows.transitions.messages import refund_message
from payment_worker.flows.transitions.payments import payment_writes, present
from payment_worker.flows.transitions.refunds import refund_transition
from payment_worker.gateway.requests import refund_request
from payment_worker.store import pauses
from payment_worker.store.connection.database import Connection
from payment_worker.store.records import attempts, payments, refunds
from payment_worker.store.records.attempts import DueAttempt
from payment_worker.store.statements import Write, write


@dataclass(frozen=True, slots=True)
class _Reserved:
    attempt: Attempt
    payment: Payment


@dataclass(frozen=True, slots=True)
class _Repeated:
    result: CommandResult
    due_attempt: DueAttempt | None


def refund(context: Context, request: RefundRequest) -> CommandResult | Conflict | NoSuchPayment:
    """Refund once for this `refund_id`; a repeated request returns the current status."""
    recorded = _record_request(context, request)
    context.notify_relay()
    match recorded:
        case _Reserved(attempt, payment):
            return execute_attempt(context, attempt, payment)
        case _Repeated(result, due_attempt):
            return _run_if_unfinished(context, result, due_attempt)
        case _:
            return recorded


def continue_refund(context: Context, refund_id: UUID) -> CommandResult | None:
    """Look again at a refund that waits for its payment; None where it does not wait any more."""
    with context.database.begin() as connection:
        if (unlocked := refunds.find(connection, refund_id)) is None:
            return None
        payment = payments.lock(connection, unlocked.payment_id)
        # Read again: what was read before the lock may have changed while we waited for it.
        refund, request = refunds.find(connection, refund_id), refunds.request_of(connection, refund_id)
        if refund is None or payment is None or request is None or request["waits_until"] is None:
            return None
        now = context.clock()
        amount = refund.amount if request["amount_was_given"] else None
        decision = _decide(connection, payment, amount=amount)
        if isinstance(decision, Wait):
            return refund_result(refund, Unfinished.OURS, request["waits_until"])
        updated = replace(refund, amount=decision.amount, version=refund.version + 1)
        after = _with_decision(updated, decision)
        result = _write_decision(
            context,
            connection,
            payment,
            after,
            decision=decision,
            row=refunds.changed(after, now=now),
            before=refund,
            now=now,
        )
    context.notify_relay()
    return (
        execute_attempt(context, result.attempt, result.payment) if isinstance(result, _Reserved) else result
    )


def _run_if_unfinished(
    context: Context, result: CommandResult, due_attempt: DueAttempt | None
) -> CommandResult:
    if due_attempt is None:
        return result
    unfinished = replace(result, unfinished=Unfinished.OTHERS, due_again_at=due_attempt.next_action_at)
    return run_if_due(context, due_attempt.attempt_id) or unfinished


def _record_request(
    context: Context, request: RefundRequest
) -> _Reserved | _Repeated | CommandResult | Conflict | NoSuchPayment:
    with context.database.begin() as connection:
        payment = payments.lock(connection, request.payment_id)
        if existing := refunds.find(connection, request.refund_id):
            return _repeat(connection, request, existing)
        if payment is None:
            return NoSuchPayment()
        now = context.clock()
        decision = _decide(connection, payment, amount=request.amount)
        requested = Refund(
            refund_id=request.refund_id,
            payment_id=request.payment_id,
            version=1,
            status=RefundStatus.REQUESTED,
            amount=decision.amount,
            currency=payment.currency,
            reason=request.reason,
            reverse_transfer=request.reverse_transfer,
            refund_application_fee=request.refund_application_fee,
        )
        after = _with_decision(requested, decision)
        row = refunds.new_row(
            after,
            request={
                "requested_by": request.requested_by,
                "note": request.note,
                "fingerprint": fingerprint(request),
                "amount_was_given": request.amount is not None,
                "waits_until": now + context.policy.lease if isinstance(decision, Wait) else None,
            },
            now=now,
        )
        return _write_decision(
            context, connection, payment, after, decision=decision, row=row, before=None, now=now
        )


def _decide(connection: Connection, payment: Payment, *, amount: int | None) -> Reserve | Wait | RejectRefund:
    """Decide under the payment's lock; while refunds are paused, only what no update from Stripe can change.

    A restored database is behind Stripe until it is reconciled, and everything is paused until then: it knows neither
    which refunds are impossible nor which amount is left.
    """
    decision = decide_refund(payment, amount=amount)
    may_change = isinstance(decision, RejectRefund) or amount is None
    if may_change and pauses.stands(connection, Action.REFUND):
        return Wait(amount or payment.amount)
    return decision


def _repeat(connection: Connection, request: RefundRequest, refund: Refund) -> _Repeated | Conflict:
    stored_request = refunds.request_of(connection, request.refund_id)
    if stored_request is None or not _is_same_request(request, refund, stored_request["fingerprint"]):
        return Conflict("refund_id")
    due_attempt = attempts.unfinished(connection, payment_id=refund.payment_id, refund_id=refund.refund_id)
    return _Repeated(refund_result(refund), due_attempt)


def _is_same_request(request: RefundRequest, refund: Refund, stored_fingerprint: str | None) -> bool:
    if stored_fingerprint is not None:
        return stored_fingerprint == fingerprint(request)
    # Adopted, as after its row was lost: only what Stripe shows of the request is known.
    return request.payment_id == refund.payment_id and request.amount in {None, refund.amount}


def _with_decision(refund: Refund, decision: Reserve | Wait | RejectRefund) -> Refund:
    if isinstance(decision, RejectRefund):
        return replace(refund, status=RefundStatus.FAILED, failure_reason=decision.rejection_reason.value)
    return refund


def _write_decision(
    context: Context,
    connection: Connection,
    payment: Payment,
    refund: Refund,
    *,
    decision: Reserve | Wait | RejectRefund,
    row: Write,
    before: Refund | None,
    now: datetime,
) -> _Reserved | CommandResult:
    cause = context.cause("requested" if before is None else "payment decided")
    writes: Writes = [row]
    if before is None or refund.status is not before.status:
        writes.append(refund_transition(before.status if before else None, refund, cause=cause, now=now))
    match decision:
        case Wait():
            write(connection, writes)
            return refund_result(refund, Unfinished.OURS, now + context.policy.lease)
        case RejectRefund():
            write(connection, [*writes, *present(refund_message(payment, refund, now=now))])
            return refund_result(refund)
        case Reserve(amount):
            reserved = replace(
                payment,
                amount_refund_reserved=payment.amount_refund_reserved + amount,
                version=payment.version + 1,
            )
            payment_updates = payment_writes(payment, reserved, cause=cause, now=now)
            write(
                connection, [*writes, *payment_updates, *present(refund_message(reserved, refund, now=now))]
            )
            return _Reserved(
                attempts.insert(connection, _new_attempt(context, connection, reserved, refund, now)),
                reserved,
            )
        case _:
            assert_never(decision)


def _new_attempt(
    context: Context, connection: Connection, payment: Payment, refund: Refund, now: datetime
) -> Attempt:
    claim = Claim(
        payment_id=payment.payment_id,
        refund_id=refund.refund_id,
        order_id=payment.order_id,
        amount=refund.amount,
        currency=refund.currency,
        stripe_account=payment.stripe_account,
    )
    request = refund_request(
        refund_id=refund.refund_id,
        payment_id=payment.payment_id,
        stripe_payment_intent_id=payment.payment_intent,
        amount=refund.amount,
        reason=refund.reason,
        reverse_transfer=refund.reverse_transfer,
        refund_application_fee=refund.refund_application_fee,
        mac=sign(claim, context.metadata_secrets.read(connection)),
    )
    return new_attempt(context, payment, request, action=Action.REFUND, now=now, refund_id=refund.refund_id)
