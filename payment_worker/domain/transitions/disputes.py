"""What a snapshot of a dispute changes in its record, and whether its payment is marked as disputed."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from payment_worker.domain.dispute import (
    APPEALS,
    BLOCKING,
    OVER,
    PUBLISHED,
    Dispute,
    DisputeStatus,
    either_came_last,
    next_status,
)
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.domain.snapshots import DisputeSnapshot
from payment_worker.domain.transitions.verdicts import PaymentBehind, Stale, Unchanged


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeMoved:
    """The dispute and its payment as they must be written, and what is to be published."""

    payment: Payment
    dispute: Dispute
    before: DisputeStatus | None
    """None: it was not known."""

    @property
    def opened(self) -> bool:
        """Whether it is a real dispute from now on."""
        return self.before not in PUBLISHED and self.dispute.status in PUBLISHED

    @property
    def closed(self) -> bool:
        """Whether it is decided from now on, or otherwise than before."""
        return self.dispute.status in OVER

    @property
    def is_lost_on_appeal(self) -> bool:
        """Whether it is the loss again that was appealed."""
        return self.before in APPEALS and self.dispute.status is DisputeStatus.LOST

    @property
    def undoes_a_loss(self) -> bool:
        """Whether it was lost before, and is not any more."""
        was_lost = self.before in APPEALS or self.before is DisputeStatus.LOST
        return was_lost and self.closed and self.dispute.status is not DisputeStatus.LOST


DisputeVerdict = DisputeMoved | Unchanged | Stale | PaymentBehind


def transition_dispute(
    payment: Payment, recorded: Iterable[Dispute], snapshot: DisputeSnapshot
) -> DisputeVerdict:
    """Apply a snapshot of a dispute of this payment, of which these disputes are known."""
    if payment.status is not PaymentStatus.SUCCEEDED:
        return PaymentBehind()
    disputes = {dispute.stripe_dispute_id: dispute for dispute in recorded}
    before = disputes.get(snapshot.stripe_dispute_id)
    if before and next_status(before.status, snapshot.status) is before.status:
        return Unchanged()
    if (
        before
        and snapshot.as_of_status is not before.status
        and either_came_last(before.status, snapshot.status)
    ):
        return Stale()
    dispute = Dispute(
        stripe_dispute_id=snapshot.stripe_dispute_id,
        payment_id=payment.payment_id,
        status=snapshot.status,
        amount=snapshot.amount,
        currency=snapshot.currency,
        stripe_charge_id=snapshot.stripe_charge_id,
        reason=snapshot.reason,
        evidence_due_by=snapshot.evidence_due_by,
    )
    disputes[dispute.stripe_dispute_id] = dispute
    is_disputed = any(each.status in BLOCKING for each in disputes.values())
    return DisputeMoved(
        payment=_marked(payment, is_disputed=is_disputed),
        dispute=dispute,
        before=before.status if before else None,
    )


def _marked(payment: Payment, *, is_disputed: bool) -> Payment:
    if payment.is_disputed is is_disputed:
        return payment
    return replace(payment, is_disputed=is_disputed, version=payment.version + 1)
