"""The state machine of disputes, and which of their statuses block a refund.

Theory of operation. A bank begins with an inquiry (`WARNING_…`, which moves no money) or takes the money back at
once, evidence is sent and reviewed, and the dispute is won or lost. Statuses are ordered and a dispute only moves
forward, so a late snapshot changes nothing. WON and PREVENTED are final. LOST is left only by an appeal, which may
be lost in its turn: the order does not say whether the loss or the appeal is newer, so the dispute is retrieved.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID


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

NEED_RESPONSE = frozenset(
    {
        DisputeStatus.WARNING_NEEDS_RESPONSE,
        DisputeStatus.NEEDS_RESPONSE,
        DisputeStatus.APPEAL_NEEDS_RESPONSE,
    }
)
"""Statuses in which Stripe waits for evidence, until it is due."""

APPEALS = frozenset({DisputeStatus.APPEAL_NEEDS_RESPONSE, DisputeStatus.APPEAL_UNDER_REVIEW})
"""States in which a loss is called into question."""

BLOCKING = APPEALS | {DisputeStatus.NEEDS_RESPONSE, DisputeStatus.UNDER_REVIEW, DisputeStatus.LOST}
"""Statuses in which the bank holds the money, so that Stripe rejects refunds of the charge."""

OVER = frozenset({DisputeStatus.WON, DisputeStatus.LOST, DisputeStatus.PREVENTED})
"""States in which it is decided: by the bank, or by what was agreed with it beforehand."""

PUBLISHED = BLOCKING | OVER
"""Statuses of a real dispute. An inquiry is recorded, but not published, because it blocks nothing."""


def next_status(status: DisputeStatus, shown: DisputeStatus) -> DisputeStatus:
    """Where seeing this state leads, if it is known which came last; the same status where it is nothing new."""
    if either_came_last(status, shown):
        return shown
    return shown if RANKS[shown] > RANKS[status] else status


def either_came_last(status: DisputeStatus, shown: DisputeStatus) -> bool:
    """Whether these are a loss and an appeal, each of which may follow upon the other."""
    return DisputeStatus.LOST in {status, shown} and not APPEALS.isdisjoint({status, shown})


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
