"""Compares a refund with a snapshot of Stripe's Refund, and names the first difference."""

from functools import partial

from payment_worker.domain.findings.kinds import Difference, FindingKind
from payment_worker.domain.payment import Payment
from payment_worker.domain.refund import LOST, RELEASED, STATUS_SHOWN, Refund
from payment_worker.domain.snapshots import RefundSnapshot
from payment_worker.domain.transitions.refunds import is_reversed_as_asked


def compare_refund(payment: Payment, refund: Refund | None, snapshot: RefundSnapshot) -> Difference | None:
    """How a Refund of this payment and our refund that it is, if there is one, differ."""
    differs = partial(_difference, payment, refund, snapshot)
    if refund is None:
        return differs(FindingKind.REFUND_NOT_OURS, ours=None, theirs=snapshot.trigger)
    if refund.stripe_refund_id not in {None, snapshot.stripe_refund_id}:
        ours, theirs = refund.stripe_refund_id, snapshot.stripe_refund_id
        return differs(FindingKind.SECOND_REFUND, ours=ours, theirs=theirs)
    if snapshot.currency != refund.currency:
        return differs(FindingKind.REFUND_CURRENCY_DIFFERS, ours=refund.currency, theirs=snapshot.currency)
    if snapshot.amount != refund.amount:
        return differs(FindingKind.REFUND_AMOUNT_DIFFERS, ours=refund.amount, theirs=snapshot.amount)
    if refund.status in RELEASED and refund.stripe_refund_id is None and snapshot.trigger not in LOST:
        return differs(FindingKind.REFUND_EXISTS_AFTER_ALL, ours=refund.status, theirs=snapshot.trigger)
    if STATUS_SHOWN[snapshot.trigger] is not refund.status or not refund.stripe_refund_id:
        return differs(FindingKind.REFUND_STATUS_DIFFERS, ours=refund.status, theirs=snapshot.trigger)
    if not is_reversed_as_asked(refund, snapshot):
        return differs(FindingKind.REFUND_NOT_REVERSED, ours="reversed", theirs="not reversed")
    return None


def _difference(
    payment: Payment,
    refund: Refund | None,
    snapshot: RefundSnapshot,
    kind: FindingKind,
    *,
    ours: object,
    theirs: object,
) -> Difference:
    return Difference(
        kind=kind,
        object_id=snapshot.stripe_refund_id,
        stripe_account=payment.stripe_account,
        payment_id=payment.payment_id,
        refund_id=refund.refund_id if refund else None,
        detail={"ours": ours, "theirs": theirs},
    )


def refund_missing_there(refund: Refund, *, stripe_account: str) -> Difference:
    """A refund whose Refund is not shown."""
    return Difference(
        kind=FindingKind.REFUND_MISSING_THERE,
        object_id=str(refund.stripe_refund_id),
        stripe_account=stripe_account,
        payment_id=refund.payment_id,
        refund_id=refund.refund_id,
        detail={"ours": refund.status, "theirs": None},
    )
