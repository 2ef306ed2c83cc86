"""What seeing a dispute does to our record: the pure half of settling it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from payment_worker.domain import dispute as states
from payment_worker.domain.dispute import APPEALS, BLOCKING, OVER, TOLD, DisputeStatus
from payment_worker.domain.payment import PaymentStatus
from payment_worker.domain.records import Payment


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeSeen:
    """A Dispute as Stripe showed it. Amount in minor units; currency in upper case."""

    stripe_dispute_id: str
    status: DisputeStatus
    amount: int
    """Usually the charge's; another one where only a part is disputed, or the bank reckons in its own currency."""
    currency: str
    stripe_payment_intent_id: str | None = None
    stripe_charge_id: str | None = None
    reason: str | None = None
    evidence_due_by: datetime | None = None
    basis: DisputeStatus | None = None
    """Our record's state before Stripe was asked; None for a snapshot, which may be of any time."""

    def on(self, basis: DisputeStatus | None) -> Self:
        """The same, asked for when our record had this state."""
        return replace(self, basis=basis)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A dispute as recorded. Amount in minor units of `currency`."""

    stripe_dispute_id: str
    payment_id: UUID
    status: DisputeStatus
    amount: int
    currency: str
    stripe_charge_id: str | None = None
    reason: str | None = None
    evidence_due_by: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeMoved:
    """The dispute and its payment as they must be written now, and what is to be told."""

    payment: Payment
    dispute: Dispute
    before: DisputeStatus | None
    """None: it was not known."""

    @property
    def opened(self) -> bool:
        """Whether it is a real dispute from now on."""
        return self.before not in TOLD and self.dispute.status in TOLD

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


@dataclass(frozen=True, slots=True)
class DisputeKnown:
    """Nothing new."""


@dataclass(frozen=True, slots=True)
class EitherCameLast:
    """A loss and an appeal: what Stripe shows when it is asked now tells which of the two came last."""

    ours: DisputeStatus


@dataclass(frozen=True, slots=True)
class MoneyNotSeen:
    """The payment does not yet show the money that is disputed: other news must be settled first."""


DisputeVerdict = DisputeMoved | DisputeKnown | EitherCameLast | MoneyNotSeen


def settle_dispute(payment: Payment, known: Iterable[Dispute], seen: DisputeSeen) -> DisputeVerdict:
    """Apply what was seen of a dispute of this payment, of which these disputes are known."""
    if payment.status is not PaymentStatus.SUCCEEDED:
        return MoneyNotSeen()
    disputes = {dispute.stripe_dispute_id: dispute for dispute in known}
    before = disputes.get(seen.stripe_dispute_id)
    if before and states.after(before.status, seen.status) is before.status:
        return DisputeKnown()
    if before and seen.basis is not before.status and states.either_came_last(before.status, seen.status):
        return EitherCameLast(before.status)
    dispute = Dispute(
        stripe_dispute_id=seen.stripe_dispute_id,
        payment_id=payment.payment_id,
        status=seen.status,
        amount=seen.amount,
        currency=seen.currency,
        stripe_charge_id=seen.stripe_charge_id,
        reason=seen.reason,
        evidence_due_by=seen.evidence_due_by,
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
