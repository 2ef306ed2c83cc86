"""The state machine of disputes, and which of their statuses block a refund.

Theory of operation. A bank begins with an inquiry (`WARNING_…`, which moves no money) or takes the money back at
once, evidence is sent and reviewed, and the dispute is won or lost. Statuses are ordered and a dispute only moves
forward, so a late snapshot changes nothing. WON and PREVENTED are final. LOST is left only by an appeal, which may
be lost in its turn: the order does not say whether the loss or the appeal is newer, so the dispute is retrieved.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Self
from uuid import UUID

from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.domain.verdicts import PaymentBehind, Stale, Unchanged


class DisputeStatus(StrEnum):
    """The states of a dispute: Stripe's own words in upper case."""

    WARNING_NEEDS_RESPONSE = "WARNING_NEEDS_RESPONSE"
    WARNING_UNDER_REVIEW = "WARNING_UNDER_REVIEW"
    WARNING_CLOSED = "WARNING_CLOSED"
    NEEDS_RESPONSE = "NEEDS_RESPONSE"
    UNDER_REVIEW = "UNDER_REVIEW"
    APPEAL_NEEDS_RESPONSE = "APPEAL_NEEDS_RESPONSE"
    APPEAL_UNDER_REVIEW = "APPEAL_UNDER_REVIEW"
    WON = "WON"
    LOST = "LOST"
    PREVENTED = "PREVENTED"


RANKS: Mapping[DisputeStatus, int] = MappingProxyType(
    {
        DisputeStatus.WARNING_NEEDS_RESPONSE: 0,
        DisputeStatus.WARNING_UNDER_REVIEW: 1,
        # Not final: a bank may still turn an inquiry that was closed into a dispute.
        DisputeStatus.WARNING_CLOSED: 2,
        DisputeStatus.NEEDS_RESPONSE: 3,
        DisputeStatus.UNDER_REVIEW: 4,
        DisputeStatus.LOST: 5,
        DisputeStatus.APPEAL_NEEDS_RESPONSE: 6,
        DisputeStatus.APPEAL_UNDER_REVIEW: 7,
        DisputeStatus.WON: 8,
        DisputeStatus.PREVENTED: 8,
    }
)
"""A state is left only for one of a higher rank, and an appeal for LOST."""

APPEALS = frozenset({DisputeStatus.APPEAL_NEEDS_RESPONSE, DisputeStatus.APPEAL_UNDER_REVIEW})
"""States in which a loss is called into question."""

BLOCKING = APPEALS | {DisputeStatus.NEEDS_RESPONSE, DisputeStatus.UNDER_REVIEW, DisputeStatus.LOST}
"""Statuses in which the bank holds the money, so that Stripe rejects refunds of the charge."""

OVER = frozenset({DisputeStatus.WON, DisputeStatus.LOST, DisputeStatus.PREVENTED})
"""States in which it is decided: by the bank, or by what was agreed with it beforehand."""

PUBLISHED = BLOCKING | OVER
"""Statuses of a real dispute. An inquiry is recorded, but not published, because it blocks nothing."""


def next_status(status: DisputeStatus, seen: DisputeStatus) -> DisputeStatus:
    """Where seeing this state leads, if it is known which came last; the same status where it is nothing new."""
    if either_came_last(status, seen):
        return seen
    return seen if RANKS[seen] > RANKS[status] else status


def either_came_last(status: DisputeStatus, seen: DisputeStatus) -> bool:
    """Whether these are a loss and an appeal, each of which may follow upon the other."""
    return DisputeStatus.LOST in {status, seen} and not APPEALS.isdisjoint({status, seen})


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeSnapshot:
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
    as_of_status: DisputeStatus | None = None
    """Our record's status before the dispute was retrieved; None for a snapshot of unknown time."""

    def as_of(self, as_of_status: DisputeStatus | None) -> Self:
        """The same snapshot, retrieved when our record had this status."""
        return replace(self, as_of_status=as_of_status)


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


def transition_dispute(payment: Payment, known: Iterable[Dispute], seen: DisputeSnapshot) -> DisputeVerdict:
    """Apply a snapshot of a dispute of this payment, of which these disputes are known."""
    if payment.status is not PaymentStatus.SUCCEEDED:
        return PaymentBehind()
    disputes = {dispute.stripe_dispute_id: dispute for dispute in known}
    before = disputes.get(seen.stripe_dispute_id)
    if before and next_status(before.status, seen.status) is before.status:
        return Unchanged()
    if before and seen.as_of_status is not before.status and either_came_last(before.status, seen.status):
        return Stale()
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
