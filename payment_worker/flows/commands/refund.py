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
class _AskedBefore:
    answer: CommandResult
    waiting: DueAttempt | None


def refund(context: Context, request: RefundRequest) -> CommandResult | Conflict | NoSuchPayment:
    """Refund once for this `refund_id`; a repeated request returns the current status."""
    recorded = _record(context, request)
    context.notify_relay()
    match recorded:
        case _Reserved(attempt, payment):
            return execute_attempt(context, attempt, payment)
        case _AskedBefore(answer, waiting):
            return _go_on(context, answer, waiting)
        case _:
            return recorded


def continue_refund(context: Context, refund_id: UUID) -> CommandResult | None:
    """Look again at a refund that waits for its payment; None where it does not wait any more."""
    with context.database.begin() as connection:
        if (recorded := refunds.find(connection, refund_id)) is None:
            return None
        payment = payments.lock(connection, recorded.payment_id)
        # Read again: what was read before the lock may have changed while we waited for it.
        waiting, request = refunds.find(connection, refund_id), refunds.request_of(connection, refund_id)
        if waiting is None or payment is None or request is None or request["waits_until"] is None:
            return None
        now = context.clock()
        amount = waiting.amount if request["amount_was_given"] else None
        decision = _decide(connection, payment, amount=amount)
        if isinstance(decision, Wait):
            return refund_result(waiting, Unfinished.OURS, request["waits_until"])
        decided = replace(waiting, amount=decision.amount, version=waiting.version + 1)
        after = _decided(decided, decision)
        done = _write(
            context,
            connection,
            payment,
            after,
            decision=decision,
            row=refunds.changed(after, now=now),
            before=waiting,
            now=now,
        )
    context.notify_relay()
    return execute_attempt(context, done.attempt, done.payment) if isinstance(done, _Reserved) else done


def _go_on(context: Context, answer: CommandResult, waiting: DueAttempt | None) -> CommandResult:
    if waiting is None:
        return answer
    in_other_hands = replace(answer, unfinished=Unfinished.OTHERS, due_again_at=waiting.next_action_at)
    return run_if_due(context, waiting.attempt_id) or in_other_hands


def _record(
    context: Context, request: RefundRequest
) -> _Reserved | _AskedBefore | CommandResult | Conflict | NoSuchPayment:
    with context.database.begin() as connection:
        payment = payments.lock(connection, request.payment_id)
        if known := refunds.find(connection, request.refund_id):
            return _asked_before(connection, request, known)
        if payment is None:
            return NoSuchPayment()
        now = context.clock()
        decision = _decide(connection, payment, amount=request.amount)
        new = Refund(
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
        after = _decided(new, decision)
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
        return _write(context, connection, payment, after, decision=decision, row=row, before=None, now=now)


def _decide(connection: Connection, payment: Payment, *, amount: int | None) -> Reserve | Wait | RejectRefund:
    """Decide under the payment's lock; while refunds are paused, only what no update from Stripe can change.

    A restored database is behind Stripe until it is reconciled, and everything is paused until then: it knows neither
    which refunds are impossible nor which amount is left.
    """
    decision = decide_refund(payment, amount=amount)
    depends = isinstance(decision, RejectRefund) or amount is None
    if depends and pauses.stands(connection, Action.REFUND):
        return Wait(amount or payment.amount)
    return decision


def _asked_before(connection: Connection, request: RefundRequest, known: Refund) -> _AskedBefore | Conflict:
    asked = refunds.request_of(connection, request.refund_id)
    if asked is None or not _is_the_same(request, known, asked["fingerprint"]):
        return Conflict("refund_id")
    waiting = attempts.unfinished(connection, payment_id=known.payment_id, refund_id=known.refund_id)
    return _AskedBefore(refund_result(known), waiting)


def _is_the_same(request: RefundRequest, known: Refund, kept: str | None) -> bool:
    if kept is not None:
        return kept == fingerprint(request)
    # Adopted, as after its row was lost: only what Stripe shows of the request is known.
    return request.payment_id == known.payment_id and request.amount in {None, known.amount}


def _decided(refund: Refund, decision: Reserve | Wait | RejectRefund) -> Refund:
    if isinstance(decision, RejectRefund):
        return replace(refund, status=RefundStatus.FAILED, failure_reason=decision.rejection_reason.value)
    return refund


def _write(
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
            moved = payment_writes(payment, reserved, cause=cause, now=now)
            write(connection, [*writes, *moved, *present(refund_message(reserved, refund, now=now))])
            return _Reserved(
                attempts.insert(connection, _attempt(context, connection, reserved, refund, now)), reserved
            )
        case _:
            assert_never(decision)


def _attempt(
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
    asked = refund_request(
        refund_id=refund.refund_id,
        payment_id=payment.payment_id,
        stripe_payment_intent_id=payment.payment_intent,
        amount=refund.amount,
        reason=refund.reason,
        reverse_transfer=refund.reverse_transfer,
        refund_application_fee=refund.refund_application_fee,
        mac=sign(claim, context.metadata_secrets.read(connection)),
    )
    return new_attempt(context, payment, asked, action=Action.REFUND, now=now, refund_id=refund.refund_id)
