"""Dispatches an event: finds the payment that it concerns and calls the handler of its object."""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from payment_worker.domain.discrepancies import FindingKind
from payment_worker.domain.dispute import DisputeSnapshot
from payment_worker.domain.outcome import Postponed, Unanswered
from payment_worker.domain.payment import Payment
from payment_worker.domain.snapshots import Named, PaymentIntentSnapshot, RefundSnapshot
from payment_worker.domain.verdicts import AwaitsAttempt
from payment_worker.flows.context import Context
from payment_worker.flows.events.charge import handle_charge
from payment_worker.flows.events.dispute import handle_dispute
from payment_worker.flows.events.outcome import unavailable
from payment_worker.flows.events.payment_intent import handle_payment_intent
from payment_worker.flows.events.refund import handle_refund, handle_refunded_charge
from payment_worker.flows.events.result import UNANSWERED, Deferred, Ignored, Processed, Reason, Result
from payment_worker.flows.transitions.contradictions import claim_contradicted
from payment_worker.flows.transitions.ownership import owner
from payment_worker.gateway.client import fetch_dispute, fetch_payment_intent, fetch_refund
from payment_worker.gateway.fields import id_of
from payment_worker.gateway.parsing import UnreadableError, named_in
from payment_worker.gateway.webhook import PINNED_VERSION
from payment_worker.store import payments, refunds
from payment_worker.store.connection.database import Connection
from payment_worker.store.inbox import InboxEvent

About = Mapping[str, Any]
"""An event's object, as it was when the event was created."""


class Subject(Enum):
    """What kind of object an event carries."""

    PAYMENT_INTENT = auto()
    REFUND = auto()
    REFUNDED_CHARGE = auto()
    CHARGE = auto()
    DISPUTE = auto()


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
    }
)
"""The event types that we handle; all others are ignored. Stripe's list accepts at most 20 types at once."""

HANDLERS: Final[Mapping[Subject, Callable[[Context, InboxEvent, Payment, About], Result]]] = MappingProxyType(
    {
        Subject.PAYMENT_INTENT: handle_payment_intent,
        Subject.REFUND: handle_refund,
        Subject.REFUNDED_CHARGE: handle_refunded_charge,
        Subject.CHARGE: handle_charge,
        Subject.DISPUTE: handle_dispute,
    }
)

NAMELESS: Final = frozenset({Subject.REFUND, Subject.DISPUTE})
"""Objects whose own metadata does not name a payment: that of their PaymentIntent does."""

FETCHES: Final = MappingProxyType({Subject.REFUND: fetch_refund, Subject.DISPUTE: fetch_dispute})
SHOWN: Final = (RefundSnapshot, DisputeSnapshot)


def dispatch(context: Context, event: InboxEvent) -> Result:
    """Process an event and return its result, which the inbox records."""
    subject = SUBJECTS.get(event.type)
    if subject is None:
        return Ignored(Reason.UNUSED)
    if event.livemode is not context.policy.livemode:
        return Ignored(Reason.MODE)
    about: About = event.payload["data"]["object"]
    try:
        owned = _owned(context, event, subject, about)
        return HANDLERS[subject](context, event, owned, about) if isinstance(owned, Payment) else owned
    except (UnreadableError, KeyError, TypeError, AttributeError) as fault:
        return Deferred(Reason.UNREADABLE, type(fault).__name__)


def _owned(context: Context, event: InboxEvent, subject: Subject, about: About) -> Payment | Result:
    """The payment that the object belongs to; if unknown although it may be ours, the object is retrieved."""
    account = event.stripe_account or None
    intent = about["id"] if subject is Subject.PAYMENT_INTENT else id_of(about.get("payment_intent"))
    if intent is None and subject in NAMELESS and event.api_version != PINNED_VERSION:
        # Objects of old versions name their charge alone.
        fetched = FETCHES[subject](context.stripe, about["id"], account=account)
        if isinstance(fetched, Unanswered | Postponed):
            return unavailable(context, fetched, account=account)
        intent = fetched.stripe_payment_intent_id if isinstance(fetched, SHOWN) else None
    if intent is None:
        return Ignored(Reason.FOREIGN)
    named = None if subject in NAMELESS else named_in(about)
    with context.database.begin() as connection:
        owned = _payment(context, connection, event, subject, about, intent=intent, named=named)
    if owned:
        return owned
    if subject in NAMELESS:
        shown = fetch_payment_intent(context.stripe, intent, account=account)
        if isinstance(shown, Unanswered | Postponed):
            # Its payment cannot be determined now: an event that is ours must not be ignored.
            return unavailable(context, shown, account=account)
        named = shown.named if isinstance(shown, PaymentIntentSnapshot) else None
    return _named(context, event, intent, named)


def _payment(
    context: Context,
    connection: Connection,
    event: InboxEvent,
    subject: Subject,
    about: About,
    *,
    intent: str,
    named: Named | None,
) -> Payment | Deferred | None:
    found = _owner(context, connection, event, intent, named)
    if found is None and subject is Subject.REFUND and (refunded := _refunded(connection, about)):
        return payments.find(connection, refunded)
    return found


def _owner(
    context: Context, connection: Connection, event: InboxEvent, intent: str, named: Named | None
) -> Payment | Deferred | None:
    found = owner(
        context,
        connection,
        payment_intent=intent,
        named=named,
        account=event.stripe_account,
        idempotency_key=event.idempotency_key,
    )
    if isinstance(found, AwaitsAttempt):
        return UNANSWERED
    return payments.find(connection, found) if found else None


def _refunded(connection: Connection, about: About) -> UUID | None:
    known = refunds.find_by_stripe(connection, about["id"])
    return known.payment_id if known else None


def _named(context: Context, event: InboxEvent, intent: str, named: Named | None) -> Payment | Result:
    with context.database.begin() as connection:
        if found := _owner(context, connection, event, intent, named):
            return found
        kind = claim_contradicted(context, connection, intent, named=named, account=event.stripe_account)
    is_second = kind is FindingKind.SECOND_PAYMENT_INTENT
    return Processed(Reason.CONTRADICTED) if is_second else Ignored(Reason.FOREIGN)
