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
from payment_worker.flows.events.fetch import object_of, unavailable
from payment_worker.flows.events.result import UNANSWERED, Deferred, Ignored, Processed, Reason, Result
from payment_worker.flows.events.subjects import NAMELESS, Subject, subject_of
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
        carried = object_of(context, event, subject)
        if not isinstance(carried, EventObject):
            return carried
        payment = _payment(context, carried)
        if not isinstance(payment, Payment):
            return payment
        if payment.stripe_account != event.stripe_account:
            return Ignored(Reason.FOREIGN)  # who can sign for one account may not tell of another's payments
        return _handled(context, carried, payment)
    except UnreadableError as fault:
        return Deferred(Reason.UNREADABLE, str(fault))


def _handled(context: Context, carried: EventObject, payment: Payment) -> Result:
    match carried.subject:
        case Subject.CHARGE:
            return handle_charge(context, carried, payment)
        case Subject.REFUNDED_CHARGE:
            return handle_refunded_charge(context, carried, payment)
        case Subject.EARLY_FRAUD_WARNING:
            return handle_early_fraud_warning(context, carried, payment)
        case _:
            return apply_shown(context, carried, payment)


def _payment(context: Context, carried: EventObject) -> Payment | Result:
    """The payment that an object belongs to; where its PaymentIntent alone can tell, that is retrieved."""
    account, intent, named = carried.account, carried.payment_intent, carried.named
    with context.database.begin() as connection:
        if found := _owner(context, connection, carried, named):
            return found
    if carried.subject in NAMELESS:
        shown = fetch_payment_intent(context.stripe, intent, account=account)
        if isinstance(shown, Unanswered | Postponed):
            # Its payment cannot be determined now: an event that is ours must not be ignored.
            return unavailable(context, carried.event, shown)
        named = shown.named if isinstance(shown, PaymentIntentSnapshot) else None
    with context.database.begin() as connection:
        if found := _owner(context, connection, carried, named):
            return found
        kind = claim_contradicted(context, connection, intent, named=named, account=account)
    is_second = kind is FindingKind.SECOND_PAYMENT_INTENT
    return Processed(Reason.CONTRADICTED) if is_second else Ignored(Reason.FOREIGN)


def _owner(
    context: Context, connection: Connection, carried: EventObject, named: Named | None
) -> Payment | Deferred | None:
    found = owner(
        context,
        connection,
        payment_intent=carried.payment_intent,
        named=named,
        account=carried.account,
        idempotency_key=carried.event.idempotency_key,
    )
    if isinstance(found, AwaitsAttempt):
        return UNANSWERED
    if found is None and carried.subject is Subject.REFUND:
        known = refunds.find_by_stripe(connection, carried.stripe_id)
        found = known.payment_id if known else None
    return payments.find(connection, found) if found else None
