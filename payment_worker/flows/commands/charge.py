"""Charges: creates the payment with its first attempt and executes it; a repeated request returns its status."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from payment_worker.contracts.requests import ChargeRequest, fingerprint
from payment_worker.domain.attempts.attempt import Action, Attempt
from payment_worker.domain.metadata_mac import Claim, sign
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.flows.attempts.execute import execute_attempt, run_if_due
from payment_worker.flows.attempts.lifecycle import new_attempt
from payment_worker.flows.context import Context
from payment_worker.flows.result import CommandResult, Conflict, Unfinished, payment_result
from payment_worker.flows.transitions.messages import payment_message
from payment_worker.flows.transitions.payments import present
from payment_worker.gateway.requests import Request, charge_request
from payment_worker.store.connection.database import Connection
from payment_worker.store.records import attempts, create_payment, payments
from payment_worker.store.records.history import transition
from payment_worker.store.statements import write
from payment_worker.telemetry.metrics import PAYMENTS, account_label
from payment_worker.telemetry.recorder import count


def charge(context: Context, request: ChargeRequest) -> CommandResult | Conflict:
    """Charge once for this `payment_id`; a repeated request returns the current status."""
    now = context.clock()
    payment = _payment_of(request)
    due_at = request.not_before if request.not_before and request.not_before > now else None
    attempt = _insert_payment(context, request, payment, now, due_at=due_at)
    if attempt is None:
        return _repeat(context, request)
    count(PAYMENTS, payment.status.lower(), account_label(payment.stripe_account))
    if due_at:
        context.notify_relay()
        return payment_result(payment, Unfinished.OURS, due_at)
    return execute_attempt(context, attempt, payment)


def _payment_of(request: ChargeRequest) -> Payment:
    return Payment(
        payment_id=request.payment_id,
        order_id=request.order_id,
        customer_id=request.customer_id,
        version=1,
        status=PaymentStatus.REQUESTED,
        amount=request.amount,
        currency=request.currency,
        stripe_account=request.on_account,
        application_fee_amount=request.application_fee_amount,
        transfer_destination=request.transfer_data.destination if request.transfer_data else None,
        transfer_amount=request.transfer_data.amount if request.transfer_data else None,
    )


def _insert_payment(
    context: Context, request: ChargeRequest, payment: Payment, now: datetime, *, due_at: datetime | None
) -> Attempt | None:
    secrets = context.metadata_secrets.load(context.database)
    stripe_request = _stripe_request(request, payment, secrets=secrets)
    return create_payment.create_payment(
        context.database,
        payment=payment,
        request={
            "stripe_customer": request.stripe_customer,
            "payment_method": request.payment_method,
            "capture_method": request.capture_method,
            "description": request.description,
            "statement_descriptor_suffix": request.statement_descriptor_suffix,
            "metadata": dict(request.metadata),
            "fingerprint": fingerprint(request),
            **({"not_before": due_at} if due_at else {}),
        },
        attempt=_new_attempt(context, payment, stripe_request, now, due_at),
        is_scheduled=due_at is not None,
        further_rows=[
            transition(
                payment_id=payment.payment_id,
                before=None,
                after=payment.status,
                cause=context.cause("requested"),
                now=now,
                detail={"amount": payment.amount, "currency": payment.currency},
            ),
            *present(payment_message(payment, now=now)),
        ],
        now=now,
    )


def _new_attempt(
    context: Context, payment: Payment, request: Request, now: datetime, due_at: datetime | None
) -> Attempt:
    """The attempt, ours from now on; or nobody's until it is due."""
    attempt = new_attempt(context, payment, request, action=Action.CHARGE, now=due_at or now)
    return replace(attempt, leased_until=due_at, sent_until=due_at) if due_at else attempt


def _stripe_request(request: ChargeRequest, payment: Payment, *, secrets: Sequence[str]) -> Request:
    claim = Claim(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        amount=payment.amount,
        currency=payment.currency,
        stripe_account=payment.stripe_account,
    )
    return charge_request(
        payment_id=request.payment_id,
        order_id=request.order_id,
        amount=request.amount,
        currency=request.currency,
        payment_method=request.payment_method,
        capture_method=request.capture_method,
        stripe_customer=request.stripe_customer,
        off_session=request.is_customer_away,
        multicapture=request.multicapture,
        passed_on=request.passed_on,
        metadata=dict(request.metadata),
        mac=sign(claim, secrets),
    )


def _repeat(context: Context, request: ChargeRequest) -> CommandResult | Conflict:
    with context.database.begin() as connection:
        payment = payments.find(connection, request.payment_id)
        if not _is_same_request(connection, request, payment):
            return Conflict("payment_id")
        due_attempt = attempts.unfinished(connection, payment_id=request.payment_id)
    assert payment is not None  # noqa: S101 - it has a fingerprint, and payments are never deleted
    if due_attempt is None:
        return payment_result(payment)
    return run_if_due(context, due_attempt.attempt_id) or payment_result(
        payment, Unfinished.OTHERS, due_attempt.next_action_at
    )


def _is_same_request(connection: Connection, request: ChargeRequest, payment: Payment | None) -> bool:
    requested, stored = fingerprint(request), payments.fingerprint(connection, request.payment_id)
    if payment is None or stored != payments.REQUEST_LOST:
        return stored == requested
    if not _may_be_original_request(request, payment):
        return False
    update = payments.remembered(payment.payment_id, customer_id=request.customer_id, fingerprint=requested)
    write(connection, [update])
    return True


def _may_be_original_request(request: ChargeRequest, payment: Payment) -> bool:
    """Whether this may be the original request of a restored payment, as far as Stripe shows."""
    return (
        request.order_id == payment.order_id
        and request.amount == payment.amount
        and request.currency == payment.currency
        and request.on_account == payment.stripe_account
    )
