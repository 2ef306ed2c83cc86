"""The table of handled event types: the object of each, its path in Stripe's API, and its parser."""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from payment_worker.flows.events.result import Ignored, Processed, Reason
from payment_worker.flows.transitions.refresh import ObjectKind, Snapshot
from payment_worker.gateway.parsing import JSON, dispute_snapshot, payment_intent_snapshot, refund_snapshot
from payment_worker.store.events.inbox import InboxEvent


class Subject(Enum):
    """What kind of object an event carries."""

    PAYMENT_INTENT = auto()
    REFUND = auto()
    REFUNDED_CHARGE = auto()
    CHARGE = auto()
    DISPUTE = auto()
    EARLY_FRAUD_WARNING = auto()
    BALANCE = auto()
    """A payout, or the balance: no matter of a payment, but a reason to import the balance."""


SUBJECTS: Final[Mapping[str, Subject]] = MappingProxyType(
    {
        "payment_intent.succeeded": Subject.PAYMENT_INTENT,
        "payment_intent.payment_failed": Subject.PAYMENT_INTENT,
        "payment_intent.processing": Subject.PAYMENT_INTENT,
        "payment_intent.canceled": Subject.PAYMENT_INTENT,
        "payment_intent.requires_action": Subject.PAYMENT_INTENT,
        "payment_intent.amount_capturable_updated": Subject.PAYMENT_INTENT,
        "refund.created": Subject.REFUND,
        "refund.updated": Subject.REFUND,
        "refund.failed": Subject.REFUND,
        "charge.refund.updated": Subject.REFUND,
        "charge.refunded": Subject.REFUNDED_CHARGE,
        "charge.succeeded": Subject.CHARGE,
        "charge.failed": Subject.CHARGE,
        "charge.updated": Subject.CHARGE,
        "charge.dispute.created": Subject.DISPUTE,
        "charge.dispute.updated": Subject.DISPUTE,
        "charge.dispute.closed": Subject.DISPUTE,
        "charge.dispute.funds_withdrawn": Subject.DISPUTE,
        "charge.dispute.funds_reinstated": Subject.DISPUTE,
        "radar.early_fraud_warning.created": Subject.EARLY_FRAUD_WARNING,
        "radar.early_fraud_warning.updated": Subject.EARLY_FRAUD_WARNING,
        "payout.paid": Subject.BALANCE,
        "payout.failed": Subject.BALANCE,
        "payout.canceled": Subject.BALANCE,
        "payout.updated": Subject.BALANCE,
        "payout.reconciliation_completed": Subject.BALANCE,
        "balance.available": Subject.BALANCE,
    }
)
"""The event types that we handle; all others are ignored."""

IMPLIED: Final = frozenset(
    {
        "charge.failed",
        "charge.refunded",
        "charge.refund.updated",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        *(event_type for event_type, subject in SUBJECTS.items() if subject is Subject.BALANCE),
    }
)
"""Event types that say nothing which another event of the same change, or the balance import that beat enqueues, does
not say: the poll does not list them."""

KINDS: Final[Mapping[Subject, ObjectKind]] = MappingProxyType(
    {
        Subject.PAYMENT_INTENT: ObjectKind.PAYMENT_INTENT,
        Subject.REFUND: ObjectKind.REFUND,
        Subject.DISPUTE: ObjectKind.DISPUTE,
    }
)
"""The objects whose own state we record; charges only give reasons to look at their PaymentIntent or Refunds."""

READERS: Final[Mapping[Subject, Callable[[JSON], Snapshot]]] = MappingProxyType(
    {
        Subject.PAYMENT_INTENT: payment_intent_snapshot,
        Subject.REFUND: refund_snapshot,
        Subject.DISPUTE: dispute_snapshot,
    }
)

PATHS: Final[Mapping[Subject, str]] = MappingProxyType(
    {
        Subject.PAYMENT_INTENT: "payment_intents",
        Subject.REFUND: "refunds",
        Subject.REFUNDED_CHARGE: "charges",
        Subject.CHARGE: "charges",
        Subject.DISPUTE: "disputes",
        Subject.EARLY_FRAUD_WARNING: "radar/early_fraud_warnings",
    }
)
"""Where Stripe shows the object of an event, below `/v1/`."""

NAMELESS: Final = frozenset({Subject.REFUND, Subject.DISPUTE, Subject.EARLY_FRAUD_WARNING})
"""Objects whose own metadata does not name a payment: that of their PaymentIntent does."""


def subject_of(event: InboxEvent, *, livemode: bool) -> Subject | Ignored | Processed:
    """What kind of object an event carries; or what it comes to without a look at it.

    Args:
        livemode: whether our key is a live one; events of the other mode are not ours.
    """
    subject = SUBJECTS.get(event.type)
    if subject is None:
        return Ignored(Reason.UNUSED)
    if event.livemode is not livemode:
        return Ignored(Reason.MODE)
    return Processed(Reason.BALANCE) if subject is Subject.BALANCE else subject
