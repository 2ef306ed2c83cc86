"""Processes in one transaction those of many events that need no request to Stripe.

Their payments are locked by one statement, those that tell something new are applied, and all are ended by one
statement. What Stripe has to be asked about is left, and so is what cannot be read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from payment_worker.domain.dispute import DisputeMoved
from payment_worker.domain.payment import Payment
from payment_worker.domain.snapshots import Named
from payment_worker.domain.verdicts import Advanced
from payment_worker.flows.context import Context
from payment_worker.flows.events.charge import may_tell_more
from payment_worker.flows.events.fees import LacksFee
from payment_worker.flows.events.outcome import result_of
from payment_worker.flows.events.over import Over, finish
from payment_worker.flows.events.refund import may_refund_more
from payment_worker.flows.events.result import Ignored, Processed, Reason
from payment_worker.flows.events.subjects import (
    NAMELESS,
    About,
    Subject,
    payment_intent_of,
    proof_of,
    shown,
    subject_of,
)
from payment_worker.flows.transitions.apply import judge
from payment_worker.flows.transitions.idempotency_keys import charged_under
from payment_worker.flows.transitions.ownership import as_uuid, is_of
from payment_worker.flows.transitions.refresh import Snapshot
from payment_worker.gateway.fields import id_of
from payment_worker.gateway.parsing import UnreadableError, named_in
from payment_worker.store import payments
from payment_worker.store.connection.database import Connection
from payment_worker.store.inbox import InboxEvent
from payment_worker.store.payments import Locked
from payment_worker.store.statements import write

UNCHANGED: Final = Processed(Reason.UNCHANGED)


@dataclass(frozen=True, slots=True)
class Group:
    """What became of the events of a group. All others have to be processed alone."""

    over: Sequence[Over]
    lacking: Sequence[LacksFee]


@dataclass(frozen=True, slots=True)
class _Told:
    """An event as it was read."""

    event: InboxEvent
    subject: Subject
    about: About
    payment_intent: str
    named: Named | None
    snapshot: Snapshot | None

    @property
    def payment_id(self) -> UUID | None:
        """The payment that its metadata name, whoever wrote them."""
        return as_uuid(self.named.payment_id) if self.named else None


def process_group(context: Context, events: Sequence[InboxEvent]) -> Group:
    """Apply and finish those of these events that can be without asking Stripe, in one transaction."""
    read = [_read(context, event) for event in events]
    told = [each for each in read if isinstance(each, _Told)]
    # What a charge tells is known once its PaymentIntent is.
    told.sort(key=lambda each: each.subject is not Subject.PAYMENT_INTENT)
    over = [each for each in read if isinstance(each, Over)]
    lacking: list[LacksFee] = []
    with context.database.begin() as connection:
        known = _Payments(context, connection, told)
        for each in told:
            match _apply(context, connection, each, known):
                case Over() as done:
                    over.append(done)
                case LacksFee() as lacks:
                    lacking.append(lacks)
                case None:
                    pass
        finish(context, connection, over)
    return Group(over, lacking)


def _read(context: Context, event: InboxEvent) -> _Told | Over | None:
    subject = subject_of(context, event)
    if isinstance(subject, Ignored):
        return Over(event, subject)
    try:
        about = event.payload["data"]["object"]
        intent = payment_intent_of(subject, about)
        named = None if subject in NAMELESS else named_in(about)
        snapshot = shown(event, subject, about)
    except (UnreadableError, KeyError, TypeError, AttributeError):
        return None
    return _Told(event, subject, about, intent, named, snapshot) if isinstance(intent, str) else None


class _Payments:
    """The payments of many events, locked."""

    def __init__(self, context: Context, connection: Connection, told: Sequence[_Told]) -> None:
        self._context = context
        self._connection = connection
        locked = payments.lock_all(
            connection,
            payment_ids={payment_id for each in told if (payment_id := each.payment_id)},
            payment_intents={each.payment_intent for each in told},
        )
        self._by_id = {each.payment.payment_id: each for each in locked}
        self._by_intent = {each.payment.stripe_payment_intent_id: each for each in locked}

    def of(self, told: _Told) -> Locked | Ignored | None:
        """The payment of an event: by its PaymentIntent, or by what its metadata and its key prove together."""
        if known := self._by_intent.get(told.payment_intent):
            return known
        if told.named is None:
            return None
        known = self._by_id.get(told.payment_id) if told.payment_id else None
        if known is None:
            return Ignored(Reason.FOREIGN)
        return known if self._is_proven(told, told.named, known.payment) else None

    def _is_proven(self, told: _Told, named: Named, payment: Payment) -> bool:
        context, connection = self._context, self._connection
        return (
            payment.stripe_payment_intent_id is None
            and is_of(context, connection, payment, named, account=told.event.stripe_account)
            and charged_under(connection, payment.payment_id, told.event.idempotency_key)
        )


def _apply(context: Context, connection: Connection, told: _Told, known: _Payments) -> Over | LacksFee | None:
    match known.of(told):
        case Locked() as locked:
            result = _result(context, connection, told, locked)
            return (
                Over(told.event, result, locked.payment.payment_id)
                if isinstance(result, Processed)
                else result
            )
        case Ignored() as foreign:
            return Over(told.event, foreign)
        case None:
            return None


def _result(
    context: Context, connection: Connection, told: _Told, locked: Locked
) -> Processed | LacksFee | None:
    match told.subject:
        case Subject.CHARGE if may_tell_more(locked.payment, told.event.type, told.about):
            return None
        case Subject.CHARGE:
            transaction = id_of(told.about.get("balance_transaction"))
            if transaction is None or locked.has_balance_transaction:
                return UNCHANGED
            return LacksFee(told.event, locked.payment.payment_id, transaction)
        case Subject.REFUNDED_CHARGE:
            return None if may_refund_more(locked.payment, told.about) else UNCHANGED
        case _:
            return _applied(context, connection, told, locked)


def _applied(context: Context, connection: Connection, told: _Told, locked: Locked) -> Processed | None:
    if told.snapshot is None:
        return None
    judgement = judge(context, connection, locked.payment, told.snapshot, proof=proof_of(told.event))
    result = result_of(judgement.verdict)
    if not isinstance(result, Processed):
        return None
    cause = context.cause(f"event {told.event.type}", event_id=told.event.event_id)
    write(connection, judgement.writes(cause=cause, now=context.clock()))
    if isinstance(judgement.verdict, Advanced | DisputeMoved):
        locked.payment = judgement.verdict.payment
    return result
