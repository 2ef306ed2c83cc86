"""Dispatches an event: finds the payment that it concerns and calls the handler of its object."""

from types import MappingProxyType
from typing import Final
from uuid import UUID

from payment_worker.domain.attempts.outcome import Postponed, Unanswered
from payment_worker.domain.early_fraud_warning import EarlyFraudWarning
from payment_worker.domain.findings.kinds import FindingKind
from payment_worker.domain.payment import Payment
from payment_worker.domain.snapshots import DisputeSnapshot, Named, PaymentIntentSnapshot, RefundSnapshot
from payment_worker.domain.transitions.verdicts import AwaitsAttempt
from payment_worker.flows.context import Context
from payment_worker.flows.events import thin
from payment_worker.flows.events.apply import apply_shown, unavailable
from payment_worker.flows.events.charge import handle_charge
from payment_worker.flows.events.early_fraud_warning import handle_early_fraud_warning
from payment_worker.flows.events.refund import handle_refunded_charge
from payment_worker.flows.events.result import UNANSWERED, Deferred, Ignored, Processed, Reason, Result
from payment_worker.flows.events.subjects import NAMELESS, About, Subject, payment_intent_of, subject_of
from payment_worker.flows.transitions.contradictions import claim_contradicted
from payment_worker.flows.transitions.ownership import owner
from payment_worker.gateway.client import (
    fetch_dispute,
    fetch_early_fraud_warning,
    fetch_payment_intent,
    fetch_refund,
)
from payment_worker.gateway.parsing import UnreadableError, named_in
from payment_worker.gateway.webhook import PINNED_VERSION
from payment_worker.store.connection.database import Connection
from payment_worker.store.events import event_polls
from payment_worker.store.events.inbox import InboxEvent
from payment_worker.store.records import payments, refunds

FETCHES: Final = MappingProxyType(
    {
        Subject.REFUND: fetch_refund,
        Subject.DISPUTE: fetch_dispute,
        Subject.EARLY_FRAUD_WARNING: fetch_early_fraud_warning,
    }
)
SHOWN: Final = (RefundSnapshot, DisputeSnapshot, EarlyFraudWarning)


def dispatch(context: Context, event: InboxEvent) -> Result:
    """Process an event and return its result, which the inbox records."""
    subject = subject_of(context, event)
    if isinstance(subject, Ignored):
        return subject
    if subject is Subject.BALANCE:
        return Processed(Reason.BALANCE)
    result = _dispatched(context, event, subject)
    if isinstance(result, Deferred) and result.reason is Reason.FORBIDDEN and event.payload.get("context"):
        return result if _has_payments(context, event.stripe_account) else Ignored(Reason.FOREIGN)
    return result


def _has_payments(context: Context, account: str) -> bool:
    """Whether any are on this account; an organisation has others, which our key may not read."""
    with context.database.begin() as connection:
        return account in event_polls.accounts(connection)


def _dispatched(context: Context, event: InboxEvent, subject: Subject) -> Result:
    completed = thin.completed(context, event, subject)
    if not isinstance(completed, InboxEvent):
        return completed
    event = completed
    about: About = event.payload["data"]["object"]
    try:
        intent = _payment_intent(context, event, subject, about)
        if not isinstance(intent, str):
            return intent
        owned = _owned(context, event, subject, about, intent=intent)
        if not isinstance(owned, Payment):
            return owned
        if owned.stripe_account != event.stripe_account:
            return Ignored(Reason.FOREIGN)  # who can sign for one account may not tell of another's payments
        return _handled(context, event, subject, about, owned, intent=intent)
    except (UnreadableError, KeyError, TypeError, AttributeError) as fault:
        return Deferred(Reason.UNREADABLE, type(fault).__name__)


def _handled(
    context: Context, event: InboxEvent, subject: Subject, about: About, payment: Payment, *, intent: str
) -> Result:
    match subject:
        case Subject.CHARGE:
            return handle_charge(context, event, payment, about, intent)
        case Subject.REFUNDED_CHARGE:
            return handle_refunded_charge(context, event, payment, about, intent)
        case Subject.EARLY_FRAUD_WARNING:
            return handle_early_fraud_warning(context, payment, about)
        case _:
            return apply_shown(context, event, payment, subject, about)


def _payment_intent(context: Context, event: InboxEvent, subject: Subject, about: About) -> str | Result:
    """The PaymentIntent that the object is, or belongs to."""
    account, intent = event.stripe_account, payment_intent_of(subject, about)
    if intent is None and subject in NAMELESS and event.api_version != PINNED_VERSION:
        # Objects of old versions name their charge alone.
        fetched = FETCHES[subject](context.stripe, about["id"], account=account)
        if isinstance(fetched, Unanswered | Postponed):
            return unavailable(context, fetched, account=account)
        intent = fetched.stripe_payment_intent_id if isinstance(fetched, SHOWN) else None
    return Ignored(Reason.FOREIGN) if intent is None else str(intent)


def _owned(
    context: Context, event: InboxEvent, subject: Subject, about: About, *, intent: str
) -> Payment | Result:
    """The payment that the object belongs to; if unknown although it may be ours, the object is retrieved."""
    account = event.stripe_account
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
