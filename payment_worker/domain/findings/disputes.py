"""Compares the status of a dispute with a snapshot of it."""

from payment_worker.domain.dispute import DisputeStatus
from payment_worker.domain.findings.kinds import Difference, FindingKind
from payment_worker.domain.payment import Payment
from payment_worker.domain.snapshots import DisputeSnapshot


def compare_dispute(
    payment: Payment, ours: DisputeStatus | None, snapshot: DisputeSnapshot
) -> Difference | None:
    """How a dispute of this payment and what we have recorded of it differ."""
    if ours is snapshot.status:
        return None
    return Difference(
        kind=FindingKind.DISPUTE_STATUS_DIFFERS if ours else FindingKind.DISPUTE_NOT_RECORDED,
        object_id=snapshot.stripe_dispute_id,
        stripe_account=payment.stripe_account,
        payment_id=payment.payment_id,
        detail={"ours": ours, "theirs": snapshot.status},
    )


def dispute_missing_there(payment: Payment, stripe_dispute_id: str, ours: DisputeStatus) -> Difference:
    """A dispute that we have recorded and Stripe does not show."""
    return Difference(
        kind=FindingKind.DISPUTE_MISSING_THERE,
        object_id=stripe_dispute_id,
        stripe_account=payment.stripe_account,
        payment_id=payment.payment_id,
        detail={"ours": ours, "theirs": None},
    )
