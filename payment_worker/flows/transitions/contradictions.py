"""Noting that news contradicts our record: a finding for a person, in the transaction that could not settle it."""

from payment_worker.domain.discrepancies import (
    compare_payment,
    compare_refund,
    payment_missing_there,
    refund_missing_there,
    second_payment_intent,
)
from payment_worker.domain.payment import Payment
from payment_worker.domain.refund import Refund
from payment_worker.domain.snapshots import PaymentIntentSnapshot, RefundSnapshot
from payment_worker.flows.context import World
from payment_worker.flows.transitions.ownership import as_uuid
from payment_worker.store import findings, payments
from payment_worker.store.database import Connection
from payment_worker.store.findings import FindingStatus


def payment_contradicted(
    world: World, connection: Connection, payment: Payment, seen: PaymentIntentSnapshot
) -> None:
    """Note that a PaymentIntent contradicts its payment, just as reconciliation would."""
    if difference := compare_payment(payment, seen):
        findings.note(connection, difference, status=FindingStatus.OPEN, run_id=None, now=world.clock())


def second_contradicted(
    world: World, connection: Connection, payment_intent: str, *, named: object, account: str | None
) -> bool:
    """Note that a PaymentIntent names a payment which is another one, if it does: it may have been paid twice."""
    payment = payments.find(connection, payment_id) if (payment_id := as_uuid(named)) else None
    if payment is None or payment.stripe_payment_intent_id in {None, payment_intent}:
        return False
    if payment.stripe_account != (account or None):
        return False
    second = second_payment_intent(payment, payment_intent)
    findings.note(connection, second, status=FindingStatus.OPEN, run_id=None, now=world.clock())
    return True


def refund_contradicted(
    world: World, connection: Connection, payment: Payment, refund: Refund, seen: RefundSnapshot
) -> None:
    """Note that a Refund contradicts our refund, just as reconciliation would."""
    if difference := compare_refund(payment, refund, seen):
        findings.note(connection, difference, status=FindingStatus.OPEN, run_id=None, now=world.clock())


def absence_contradicted(
    world: World, connection: Connection, payment: Payment, refund: Refund | None
) -> None:
    """Note that Stripe does not show what it has shown before, just as reconciliation would."""
    missing = (
        refund_missing_there(refund, stripe_account=payment.stripe_account)
        if refund
        else payment_missing_there(payment)
    )
    findings.note(connection, missing, status=FindingStatus.OPEN, run_id=None, now=world.clock())
