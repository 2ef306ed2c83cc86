"""Restores a payment whose row was lost, for instance because the database was restored to an earlier point."""

from dataclasses import replace
from uuid import UUID

from payment_worker.domain.findings.payments import payment_missing_here
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.domain.transitions.verdicts import Advanced
from payment_worker.domain.uuids import as_uuid
from payment_worker.flows.reconciliation.checker import Checker, CheckResult
from payment_worker.flows.transitions.messages import payment_message
from payment_worker.flows.transitions.ownership import is_proven
from payment_worker.flows.transitions.payments import judge_payment_intent, present
from payment_worker.gateway.restore import OriginalRequest, fetch_original_request
from payment_worker.store.reconciliation.findings import FindingStatus
from payment_worker.store.records import payments
from payment_worker.store.records.history import transition
from payment_worker.store.statements import write


def restore_payment(
    checker: Checker, payment_id: UUID, payment_intent: str, *, account: str
) -> CheckResult | None:
    """Insert the payment as it was requested, and apply Stripe's snapshot of it.

    Returns:
        None if Stripe does not show enough of the request, or the payment exists by now.
    """
    original = fetch_original_request(checker.context.stripe, payment_intent, account=account)
    if not isinstance(original, OriginalRequest) or as_uuid(original.snapshot.payment_id) != payment_id:
        return None
    if original.order_id is None:
        return None
    payment, now = _as_requested(original, payment_id, original.order_id, account), checker.context.clock()
    snapshot, cause = original.snapshot.as_of(payment.version), checker.cause(payment_intent)
    judgement = judge_payment_intent(payment, snapshot, action_expiry=checker.context.policy.action_expiry)
    verdict, writes = judgement.verdict, judgement.writes(cause=cause, now=now)
    if not isinstance(verdict, Advanced) or verdict.payment.status is PaymentStatus.REQUESTED:
        return None  # without an outcome no worker would execute it
    history_row = transition(
        payment_id=payment_id,
        before=None,
        after=payment.status,
        cause=replace(cause, cause=f"brought back: {cause.cause}"),
        now=now,
        detail={"amount": payment.amount, "currency": payment.currency},
    )
    messages = present(payment_message(payment, now=original.at))
    with checker.context.database.begin() as connection:
        # The metadata may be others than on the list, and the order is read from them.
        has_proof = is_proven(checker.context, connection, snapshot.named, account=account)
        if not has_proof and payment_intent not in checker.accepted:
            return None
        if not payments.insert_payment(
            connection,
            payment,
            request=original.columns,
            fingerprint=payments.REQUEST_LOST,
            created_at=original.at,
        ):
            return None
        write(connection, [history_row, *messages, *writes])
        if original.balance_transaction:
            write(
                connection,
                [payments.with_balance_transaction(payment_id, original.balance_transaction, now=now)],
            )
        difference = payment_missing_here(snapshot, payment_id=payment_id, stripe_account=account)
        return CheckResult(checker.record(connection, difference, FindingStatus.REPAIRED))


def _as_requested(original: OriginalRequest, payment_id: UUID, order_id: str, account: str) -> Payment:
    return Payment(
        payment_id=payment_id,
        order_id=order_id,
        customer_id=None,
        version=1,
        status=PaymentStatus.REQUESTED,
        amount=original.snapshot.amount,
        currency=original.snapshot.currency,
        stripe_account=account,
        application_fee_amount=original.snapshot.application_fee_amount,
        transfer_destination=original.snapshot.transfer_destination,
        transfer_amount=original.snapshot.transfer_amount,
    )
