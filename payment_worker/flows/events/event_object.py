"""Reads an event's object: the ids that say which payment it belongs to, and its snapshot."""

from dataclasses import dataclass
from uuid import UUID

from payment_worker.domain.snapshots import Named, PaymentIntentSnapshot
from payment_worker.domain.uuids import as_uuid
from payment_worker.flows.events.event_types import NAMELESS, READERS, Subject
from payment_worker.flows.transitions.judgement import RefundProof
from payment_worker.flows.transitions.refresh import Snapshot
from payment_worker.gateway.client import Unreadable
from payment_worker.gateway.fields import id_of, identity
from payment_worker.gateway.parsing import JSON, UnreadableError, named_in, parses
from payment_worker.gateway.webhook import PINNED_VERSION
from payment_worker.store.events.inbox import InboxEvent


@dataclass(frozen=True, slots=True)
class EventObject:
    """The object of an event, as it was when the event was made."""

    event: InboxEvent
    subject: Subject
    stripe_id: str
    fields: JSON
    payment_intent: str
    """The one that it is or belongs to; empty where an object of an old API version names its charge alone."""
    named: Named | None
    """What its metadata say it is, whoever wrote them; None where only its PaymentIntent's metadata do."""
    snapshot: Snapshot | Unreadable | None
    """What the event shows of it; None where that may be too old, or says too little."""

    @property
    def account(self) -> str:
        """The Stripe account that it is on."""
        return self.event.stripe_account

    @property
    def payment_id(self) -> UUID | None:
        """The payment that its metadata name, whoever wrote them."""
        return as_uuid(self.named.payment_id) if self.named else None

    @property
    def proof(self) -> RefundProof:
        """What the event tells of a Refund besides its fields: the request that made it, if it tells of that one."""
        is_creation = self.event.type == "refund.created"
        return RefundProof(made_under=self.event.idempotency_key if is_creation else None)


def read_object(event: InboxEvent, subject: Subject) -> EventObject:
    """The object of an event that carries it.

    Raises:
        UnreadableError: it does not say what it is.
    """
    with parses():
        fields = event.payload["data"]["object"]
        stripe_id = identity(fields["id"])
        is_intent = subject is Subject.PAYMENT_INTENT
        intent = stripe_id if is_intent else id_of(fields.get("payment_intent"))
        named = None if subject in NAMELESS else named_in(fields)
    snapshot = _snapshot(event, subject, fields)
    return EventObject(event, subject, stripe_id, fields, intent or "", named, snapshot)


def _snapshot(event: InboxEvent, subject: Subject, fields: JSON) -> Snapshot | Unreadable | None:
    """What an event shows of its object, if that has the shape that we read and cannot be too old.

    Refunds and disputes only move forward, but for a loss and an appeal of it, which is seen when they are applied. A
    PaymentIntent moves back and forth until it comes to a state that is never left.
    """
    if event.api_version != PINNED_VERSION or subject not in READERS:
        return None
    try:
        snapshot = READERS[subject](fields)
    except UnreadableError:
        return Unreadable()
    is_open = isinstance(snapshot, PaymentIntentSnapshot) and not snapshot.is_final
    return None if is_open else snapshot
