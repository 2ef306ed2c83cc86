"""Processes all events of a batch that need no request to Stripe in one transaction.

Their payments are locked by one statement, those that tell something new are applied, and all are ended by one
statement. What Stripe has to be asked about is left, and so is what cannot be read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from payment_worker.domain.payment import Payment
from payment_worker.domain.snapshots import Named
from payment_worker.domain.transitions.disputes import DisputeMoved
from payment_worker.domain.transitions.verdicts import Advanced
from payment_worker.flows.context import Context
from payment_worker.flows.events.apply import result_of
from payment_worker.flows.events.charge import (
    UNCHANGED,
    balance_transaction_of,
    may_refund_more,
    may_show_more,
)
from payment_worker.flows.events.event_object import EventObject, read_object
from payment_worker.flows.events.event_types import Subject, subject_of
from payment_worker.flows.events.fees import LacksFee
from payment_worker.flows.events.finish import Finished, finish
from payment_worker.flows.events.result import Ignored, Processed, Reason
from payment_worker.flows.transitions.apply import judge
from payment_worker.flows.transitions.ownership import is_of
from payment_worker.flows.transitions.provenance import charged_under
from payment_worker.gateway.client import Unreadable
from payment_worker.gateway.parsing import UnreadableError
from payment_worker.store.connection.database import Connection
from payment_worker.store.events.inbox import InboxEvent
from payment_worker.store.records import payments
from payment_worker.store.records.payments import Locked
from payment_worker.store.statements import write


@dataclass(frozen=True, slots=True)
class Group:
    """What became of the events of a group. All others have to be processed alone."""

    finished: Sequence[Finished]
    lacking_fees: Sequence[LacksFee]


def process_group(context: Context, events: Sequence[InboxEvent]) -> Group:
    """Apply and finish those of these events that can be without asking Stripe, in one transaction."""
    results = [_read_event_object(context, event) for event in events]
    event_objects = [each for each in results if isinstance(each, EventObject)]
    # What a charge tells is known once its PaymentIntent is.
    event_objects.sort(key=lambda each: each.subject is not Subject.PAYMENT_INTENT)
    finished = [each for each in results if isinstance(each, Finished)]
    lacking_fees: list[LacksFee] = []
    with context.database.begin() as connection:
        locked_payments = _LockedPayments(context, connection, event_objects)
        for each in event_objects:
            match _apply(context, connection, each, locked_payments):
                case Finished() as finished_event:
                    finished.append(finished_event)
                case LacksFee() as lacks_fee:
                    lacking_fees.append(lacks_fee)
                case None:
                    pass
        finish(context, connection, finished)
    return Group(finished, lacking_fees)


def _read_event_object(context: Context, event: InboxEvent) -> EventObject | Finished | None:
    subject = subject_of(event, livemode=context.policy.livemode)
    if not isinstance(subject, Subject):
        return Finished(event, subject)
    try:
        event_object = read_object(event, subject)
    except UnreadableError:
        return None
    return event_object if event_object.payment_intent else None


class _LockedPayments:
    """The payments of many events, locked."""

    def __init__(
        self, context: Context, connection: Connection, event_objects: Sequence[EventObject]
    ) -> None:
        self._context = context
        self._connection = connection
        locked = payments.lock_all(
            connection,
            payment_ids={payment_id for each in event_objects if (payment_id := each.payment_id)},
            payment_intents={each.payment_intent for each in event_objects},
        )
        self._by_id = {each.payment.payment_id: each for each in locked}
        self._by_intent = {each.payment.stripe_payment_intent_id: each for each in locked}

    def of(self, event_object: EventObject) -> Locked | Ignored | None:
        """The payment of an event: by its PaymentIntent, or by what its metadata and its key prove together."""
        if locked := self._by_intent.get(event_object.payment_intent):
            is_there = locked.payment.stripe_account == event_object.account
            return locked if is_there else Ignored(Reason.FOREIGN)
        if event_object.named is None:
            return None
        locked = self._by_id.get(event_object.payment_id) if event_object.payment_id else None
        if locked is None:
            return Ignored(Reason.FOREIGN)
        return locked if self._is_proven(event_object, event_object.named, locked.payment) else None

    def _is_proven(self, event_object: EventObject, named: Named, payment: Payment) -> bool:
        context, connection = self._context, self._connection
        return (
            payment.stripe_payment_intent_id is None
            and is_of(context, connection, payment, named, account=event_object.account)
            and charged_under(context, connection, payment.payment_id, event_object.event.idempotency_key)
        )


def _apply(
    context: Context, connection: Connection, event_object: EventObject, locked_payments: _LockedPayments
) -> Finished | LacksFee | None:
    match locked_payments.of(event_object):
        case Locked() as locked:
            try:
                result = _result(context, connection, event_object, locked)
            except UnreadableError:
                return None
            return (
                Finished(event_object.event, result, locked.payment.payment_id)
                if isinstance(result, Processed)
                else result
            )
        case Ignored() as foreign:
            return Finished(event_object.event, foreign)
        case None:
            return None


def _result(
    context: Context, connection: Connection, event_object: EventObject, locked: Locked
) -> Processed | LacksFee | None:
    match event_object.subject:
        case Subject.CHARGE if may_show_more(locked.payment, event_object):
            return None
        case Subject.CHARGE:
            transaction = balance_transaction_of(event_object)
            if transaction is None or locked.has_balance_transaction:
                return UNCHANGED
            return LacksFee(event_object.event, locked.payment.payment_id, transaction)
        case Subject.REFUNDED_CHARGE:
            return None if may_refund_more(locked.payment, event_object) else UNCHANGED
        case Subject.EARLY_FRAUD_WARNING:
            return None
        case _:
            return _apply_snapshot(context, connection, event_object, locked)


def _apply_snapshot(
    context: Context, connection: Connection, event_object: EventObject, locked: Locked
) -> Processed | None:
    if event_object.snapshot is None or isinstance(event_object.snapshot, Unreadable):
        return None
    judgement = judge(context, connection, locked.payment, event_object.snapshot, proof=event_object.proof)
    result = result_of(judgement.verdict)
    if not isinstance(result, Processed):
        return None
    cause = context.cause(f"event {event_object.event.type}", event_id=event_object.event.event_id)
    write(connection, judgement.writes(cause=cause, now=context.clock()))
    if isinstance(judgement.verdict, Advanced | DisputeMoved):
        locked.payment = judgement.verdict.payment
    return result
