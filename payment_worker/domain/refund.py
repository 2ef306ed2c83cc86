"""The state machine of refunds: statuses, triggers, and how much of the payment each status reserves.

Theory of operation. Statuses are ordered and a refund only moves forward through them, so a late snapshot
changes nothing. PROCESSED is not final: a bank may return the money days later, and Stripe then turns a
succeeded refund into a failed one. A refund reserves its amount on the payment before it is sent to Stripe,
and releases it only if it fails.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID


class RefundStatus(StrEnum):
    """The states of a refund. REQUESTED, PROCESSED and FAILED are the event catalogue's own words."""

    REQUESTED = "REQUESTED"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    PENDING = "PENDING"
    PROCESSED = "PROCESSED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class RefundTrigger(StrEnum):
    """What a snapshot of Stripe's Refund says about a refund."""

    ACTION_REQUIRED = "action_required"
    PENDED = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


REFUND_TRANSITIONS: Mapping[RefundStatus, Mapping[RefundTrigger, RefundStatus]] = MappingProxyType(
    {
        RefundStatus.REQUESTED: {
            RefundTrigger.ACTION_REQUIRED: RefundStatus.REQUIRES_ACTION,
            RefundTrigger.PENDED: RefundStatus.PENDING,
            RefundTrigger.SUCCEEDED: RefundStatus.PROCESSED,
            RefundTrigger.FAILED: RefundStatus.FAILED,
            RefundTrigger.CANCELED: RefundStatus.CANCELED,
        },
        RefundStatus.REQUIRES_ACTION: {
            RefundTrigger.PENDED: RefundStatus.PENDING,
            RefundTrigger.SUCCEEDED: RefundStatus.PROCESSED,
            RefundTrigger.FAILED: RefundStatus.FAILED,
            RefundTrigger.CANCELED: RefundStatus.CANCELED,
        },
        RefundStatus.PENDING: {
            RefundTrigger.SUCCEEDED: RefundStatus.PROCESSED,
            RefundTrigger.FAILED: RefundStatus.FAILED,
            RefundTrigger.CANCELED: RefundStatus.CANCELED,
        },
        RefundStatus.PROCESSED: {
            RefundTrigger.FAILED: RefundStatus.FAILED,
        },
        RefundStatus.FAILED: {},
        RefundStatus.CANCELED: {},
    }
)

UNFINISHED = (RefundStatus.REQUESTED, RefundStatus.REQUIRES_ACTION, RefundStatus.PENDING)
"""Statuses in which more must still happen."""

STATUS_SHOWN = REFUND_TRANSITIONS[RefundStatus.REQUESTED]
"""The status that corresponds to what a snapshot says."""

RELEASED = frozenset({RefundStatus.FAILED, RefundStatus.CANCELED})
"""Statuses in which a refund reserves nothing of the payment's amount."""

LOST = frozenset({RefundTrigger.FAILED, RefundTrigger.CANCELED})
"""Triggers after which nothing is refunded."""


def next_status(status: RefundStatus, trigger: RefundTrigger) -> RefundStatus:
    """Where the trigger leads; the same status where it changes nothing."""
    return REFUND_TRANSITIONS[status].get(trigger, status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """A refund as recorded. Amount in minor units of `currency`."""

    refund_id: UUID
    payment_id: UUID
    version: int
    status: RefundStatus
    amount: int
    currency: str
    reason: str | None = None
    failure_reason: str | None = None
    pending_reason: str | None = None
    """Why it is PENDING, in Stripe's word."""
    stripe_refund_id: str | None = None
    reverse_transfer: bool = False
    """Whether the refund's share of the transfer is to be reversed (Connect)."""
    refund_application_fee: bool = False
    """Whether its share of the application fee is to be given back too."""
