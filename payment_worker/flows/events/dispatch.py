"""Dispatches an event: finds the payment of its object and calls the handler for that type of object."""

from payment_worker.domain.attempts.outcome import Postponed, Unanswered
from payment_worker.domain.findings.kinds import FindingKind
from payment_worker.domain.payment import Payment
from payment_worker.domain.snapshots import Named, PaymentIntentSnapshot
from payment_worker.domain.transitions.verdicts import AwaitsAttempt
from payment_worker.flows.context import Context
from payment_worker.flows.events.apply import apply_shown
from payment_worker.flows.events.charge import handle_charge, handle_refunded_charge
from payment_worker.flows.events.early_fraud_warning import handle_early_fraud_warning
from payment_worker.flows.events.event_object import EventObject
from payment_worker.flows.events.event_types import NAMELESS, Subject, subject_of
from payment_worker.flows.events.fetch import object_of, unavailable
from payment_worker.flows.events.result import UNANSWERED, Deferred, Ignored, Processed, Reason, Result
from payment_worker.flows.transitions.contradictions import claim_contradicted
from payment_worker.flows.transitions.ownership import owner
from payment_worker.gateway.client import fetch_payment_intent
from payment_worker.gateway.parsing import UnreadableError
from payment_worker.store.connection.database import Connection
from payment_worker.store.events.inbox import InboxEvent
from payment_worker.store.records import payments, refunds


def dispatch(context: Context, event: InboxEvent) -> Result:
    """Process an event and return its result, which the inbox records."""
    subject = subject_of(event, livemode=context.policy.livemode)
    if not isinstance(subject, Subject):
        return subject
    try:
        event_object = object_of(context, event, subject)
        if not isinstance(event_object, EventObject):
            return event_object
        payment = _payment(context, event_object)
        if not isinstance(payment, Payment):
            return payment
        if payment.stripe_account != event.stripe_account:
            return Ignored(Reason.FOREIGN)  # who can sign for one account may not tell of another's payments
        return _handle_by_subject(context, event_object, payment)
    except UnreadableError as fault:
        return Deferred(Reason.UNREADABLE, str(fault))


def _handle_by_subject(context: Context, event_object: EventObject, payment: Payment) -> Result:
    match event_object.subject:
        case Subject.CHARGE:
            return handle_charge(context, event_object, payment)
        case Subject.REFUNDED_CHARGE:
            return handle_refunded_charge(context, event_object, payment)
        case Subject.EARLY_FRAUD_WARNING:
            return handle_early_fraud_warning(context, event_object, payment)
        case _:
            return apply_shown(context, event_object, payment)


def _payment(context: Context, event_object: EventObject) -> Payment | Result:
    """The payment that an object belongs to; where its PaymentIntent alone can tell, that is retrieved."""
    account, intent, named = event_object.account, event_object.payment_intent, event_object.named
    with context.database.begin() as connection:
        if result := _owner(context, connection, event_object, named):
            return result
    if event_object.subject in NAMELESS:
        fetched = fetch_payment_intent(context.stripe, intent, account=account)
        if isinstance(fetched, Unanswered | Postponed):
            # Its payment cannot be determined now: an event that is ours must not be ignored.
            return unavailable(context, event_object.event, fetched)
        named = fetched.named if isinstance(fetched, PaymentIntentSnapshot) else None
    with context.database.begin() as connection:
        if result := _owner(context, connection, event_object, named):
            return result
        kind = claim_contradicted(context, connection, intent, named=named, account=account)
    is_second = kind is FindingKind.SECOND_PAYMENT_INTENT
    return Processed(Reason.CONTRADICTED) if is_second else Ignored(Reason.FOREIGN)


def _owner(
    context: Context, connection: Connection, event_object: EventObject, named: Named | None
) -> Payment | Deferred | None:
    payment_id = owner(
        context,
        connection,
        payment_intent=event_object.payment_intent,
        named=named,
        account=event_object.account,
        idempotency_key=event_object.event.idempotency_key,
    )
    if isinstance(payment_id, AwaitsAttempt):
        return UNANSWERED
    if payment_id is None and event_object.subject is Subject.REFUND:
        refund = refunds.find_by_stripe(connection, event_object.stripe_id)
        payment_id = refund.payment_id if refund else None
    return payments.find(connection, payment_id) if payment_id else None
