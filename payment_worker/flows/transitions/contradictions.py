"""Records findings where a Stripe object contradicts our record."""

from payment_worker.domain.findings.disputes import dispute_missing_there
from payment_worker.domain.findings.kinds import Difference, FindingKind
from payment_worker.domain.findings.payments import (
    payment_missing_there,
    second_payment_intent,
    unverified_metadata,
)
from payment_worker.domain.findings.refunds import refund_missing_there
from payment_worker.domain.snapshots import Named
from payment_worker.flows.context import Context
from payment_worker.flows.transitions.ownership import is_of, named_payment
from payment_worker.flows.transitions.refresh import ObjectKind, Target
from payment_worker.store.connection.database import Connection
from payment_worker.store.reconciliation import findings
from payment_worker.store.reconciliation.findings import FindingStatus
from payment_worker.store.records import disputes, payments, refunds

UNREADABLE_KINDS = {
    ObjectKind.PAYMENT_INTENT: FindingKind.PAYMENT_UNREADABLE,
    ObjectKind.REFUND: FindingKind.REFUND_UNREADABLE,
    ObjectKind.DISPUTE: FindingKind.DISPUTE_UNREADABLE,
}


def record_finding(
    context: Context,
    connection: Connection,
    difference: Difference,
    *,
    status: FindingStatus = FindingStatus.OPEN,
    run_id: int | None = None,
) -> None:
    """Record a difference as a finding, by default an open one."""
    findings.record(connection, difference, status=status, run_id=run_id, now=context.clock())


def claim_contradicted(
    context: Context, connection: Connection, payment_intent: str, *, named: Named | None, account: str
) -> FindingKind | None:
    """Note a PaymentIntent that names a payment of ours and is not its own, if it is such a one; as what.

    Where it proves to be of a payment that has another one, that may have been paid twice.
    """
    payment = named_payment(connection, named) if named else None
    if named is None or payment is None or payment.stripe_payment_intent_id == payment_intent:
        return None
    has_other = payment.stripe_payment_intent_id is not None
    if has_other and is_of(context, connection, payment, named, account=account):
        difference = second_payment_intent(payment, payment_intent)
    else:
        difference = unverified_metadata(
            payment_intent, payment_id=payment.payment_id, stripe_account=account
        )
    record_finding(context, connection, difference)
    return difference.kind


def missing_there(connection: Connection, target: Target) -> Difference | None:
    """The difference that Stripe does not show an object of which our record says that it has."""
    payment = payments.find(connection, target.payment_id)
    if payment is None:
        return None
    match target.kind:
        case ObjectKind.PAYMENT_INTENT if payment.stripe_payment_intent_id == target.stripe_id:
            return payment_missing_there(payment)
        case ObjectKind.REFUND if refund := refunds.find_by_stripe(connection, target.stripe_id):
            return refund_missing_there(refund, stripe_account=payment.stripe_account)
        case ObjectKind.DISPUTE if statuses := disputes.statuses(connection, [target.stripe_id]):
            return dispute_missing_there(payment, target.stripe_id, statuses[target.stripe_id])
        case _:
            return None


def unreadable(target: Target) -> Difference:
    """The difference that an object of our payment cannot be parsed, so that nothing else is known about it."""
    return Difference(
        kind=UNREADABLE_KINDS[target.kind],
        object_id=target.stripe_id,
        stripe_account=target.account,
        payment_id=target.payment_id,
        detail={"ours": None, "theirs": "cannot be read"},
    )
