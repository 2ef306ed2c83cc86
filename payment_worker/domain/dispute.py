"""The life of a dispute: the order of its states, and which of them stand in the way of a refund.

Theory of operation. A bank asks first (`WARNING_…`, an inquiry that moves no money) or takes the money back at
once, evidence is sent and reviewed, and the dispute is won or lost. A dispute only moves forward in this order,
so any snapshot of it, however late, is either news or nothing. WON and PREVENTED are final. LOST is left only by an
appeal, which may be lost in its turn: of a loss and an appeal no order of states tells which came last, and Stripe
has to be asked how it is now.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


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
"""States in which the bank holds the money, so that Stripe refuses refunds of the charge."""

OVER = frozenset({DisputeStatus.WON, DisputeStatus.LOST, DisputeStatus.PREVENTED})
"""States in which it is decided: by the bank, or by what was agreed with it beforehand."""

TOLD = BLOCKING | OVER
"""States of a real dispute. An inquiry is recorded, and other apps are not told: it stops nothing."""


def after(status: DisputeStatus, seen: DisputeStatus) -> DisputeStatus:
    """Where seeing this state leads, if it is known which came last; the same status where it is nothing new."""
    if either_came_last(status, seen):
        return seen
    return seen if RANKS[seen] > RANKS[status] else status


def either_came_last(status: DisputeStatus, seen: DisputeStatus) -> bool:
    """Whether these are a loss and an appeal, each of which may follow upon the other."""
    return DisputeStatus.LOST in {status, seen} and not APPEALS.isdisjoint({status, seen})
