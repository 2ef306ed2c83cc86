"""The table of handled event types: each one's object, and which snapshot of it can be trusted."""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, Final

from payment_worker.domain.snapshots import PaymentIntentSnapshot
from payment_worker.flows.context import Context
from payment_worker.flows.events.result import Ignored, Reason
from payment_worker.flows.transitions.judgement import RefundProof
from payment_worker.flows.transitions.refresh import ObjectKind, Snapshot
from payment_worker.gateway.fields import id_of
from payment_worker.gateway.parsing import dispute_snapshot, payment_intent_snapshot, refund_snapshot
from payment_worker.gateway.webhook import PINNED_VERSION
from payment_worker.store.events.inbox import InboxEvent

About = Mapping[str, Any]
"""An event's object, as it was when the event was made."""


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

READERS: Final[Mapping[Subject, Callable[[About], Snapshot]]] = MappingProxyType(
    {
        Subject.PAYMENT_INTENT: payment_intent_snapshot,
        Subject.REFUND: refund_snapshot,
        Subject.DISPUTE: dispute_snapshot,
    }
)

NAMELESS: Final = frozenset({Subject.REFUND, Subject.DISPUTE, Subject.EARLY_FRAUD_WARNING})
"""Objects whose own metadata does not name a payment: that of their PaymentIntent does."""


def subject_of(context: Context, event: InboxEvent) -> Subject | Ignored:
    """What kind of object an event carries; or why it is no matter of ours."""
    subject = SUBJECTS.get(event.type)
    if subject is None:
        return Ignored(Reason.UNUSED)
    return subject if event.livemode is context.policy.livemode else Ignored(Reason.MODE)


def payment_intent_of(subject: Subject, about: About) -> Any:  # noqa: ANN401 - whatever the event says
    """The PaymentIntent that the object is, or belongs to; objects of old API versions name their charge alone."""
    return about["id"] if subject is Subject.PAYMENT_INTENT else id_of(about.get("payment_intent"))


def proof_of(event: InboxEvent) -> RefundProof:
    """What an event tells of a Refund besides what it shows: the request that made it, where it tells of that one."""
    return RefundProof(made_under=event.idempotency_key if event.type == "refund.created" else None)


def shown(event: InboxEvent, subject: Subject, about: About) -> Snapshot | None:
    """What an event shows of its object, if that has the shape that we read and cannot be too old.

    Refunds and disputes only move forward, but for a loss and an appeal of it, which is seen when they are applied. A
    PaymentIntent moves back and forth until it comes to a state that is never left.

    Raises:
        UnreadableError: it is no such object.
    """
    if event.api_version != PINNED_VERSION or subject not in READERS:
        return None
    snapshot = READERS[subject](about)
    is_open = isinstance(snapshot, PaymentIntentSnapshot) and not snapshot.is_final
    return None if is_open else snapshot
