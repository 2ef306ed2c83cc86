"""Noting that news contradicts our record: a finding for a person, in the transaction that could not settle it."""

from sqlalchemy import Connection

from payment_worker.domain.observation import PaymentSeen, RefundSeen
from payment_worker.domain.reconciling import compare_payment, compare_refund
from payment_worker.domain.records import Payment, Refund
from payment_worker.flows.world import World
from payment_worker.store import findings
from payment_worker.store.findings import FindingStatus


def payment_contradicted(world: World, connection: Connection, payment: Payment, seen: PaymentSeen) -> None:
    """Note that a PaymentIntent contradicts its payment, just as reconciliation would."""
    if difference := compare_payment(payment, seen):
        findings.note(connection, difference, status=FindingStatus.OPEN, run_id=None, now=world.clock())


def refund_contradicted(
    world: World, connection: Connection, payment: Payment, refund: Refund, seen: RefundSeen
) -> None:
    """Note that a Refund contradicts our refund, just as reconciliation would."""
    if difference := compare_refund(payment, refund, seen):
        findings.note(connection, difference, status=FindingStatus.OPEN, run_id=None, now=world.clock())
