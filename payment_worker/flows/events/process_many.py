"""Processes in one transaction those of many events that need no request to Stripe.

Their payments are locked by one statement, those that tell something new are applied, and all are ended by one
statement. What Stripe has to be asked about is left, and so is what cannot be read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from payment_worker.domain.payment import Payment
from payment_worker.domain.snapshots import Named
from payment_worker.domain.transitions.disputes import DisputeMoved
from payment_worker.domain.transitions.verdicts import Advanced
from payment_worker.flows.context import Context
from payment_worker.flows.events.apply import result_of
from payment_worker.flows.events.charge import may_show_more
from payment_worker.flows.events.fees import LacksFee
from payment_worker.flows.events.finish import Finished, finish
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
from payment_worker.flows.transitions.ownership import as_uuid, is_of
from payment_worker.flows.transitions.provenance import charged_under
from payment_worker.flows.transitions.refresh import Snapshot
from payment_worker.gateway.fields import id_of
from payment_worker.gateway.parsing import UnreadableError, named_in
from payment_worker.store.connection.database import Connection
from payment_worker.store.events.inbox import InboxEvent
from payment_worker.store.records import payments
from payment_worker.store.records.payments import Locked
from payment_worker.store.statements import write

UNCHANGED: Final = Processed(Reason.UNCHANGED)


@dataclass(frozen=True, slots=True)
class Group:
    """What became of the events of a group. All others have to be processed alone."""

    finished: Sequence[Finished]
    lacking: Sequence[LacksFee]


@dataclass(frozen=True, slots=True)
class _Parsed:
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
    results = [_parse(context, event) for event in events]
    parsed = [each for each in results if isinstance(each, _Parsed)]
    # What a charge tells is known once its PaymentIntent is.
    parsed.sort(key=lambda each: each.subject is not Subject.PAYMENT_INTENT)
    finished = [each for each in results if isinstance(each, Finished)]
    lacking: list[LacksFee] = []
    with context.database.begin() as connection:
        known = _Payments(context, connection, parsed)
        for each in parsed:
            match _apply(context, connection, each, known):
                case Finished() as done:
                    finished.append(done)
                case LacksFee() as lacks:
                    lacking.append(lacks)
                case None:
                    pass
        finish(context, connection, finished)
    return Group(finished, lacking)


def _parse(context: Context, event: InboxEvent) -> _Parsed | Finished | None:
    subject = subject_of(context, event)
    if isinstance(subject, Ignored):
        return Finished(event, subject)
    if subject is Subject.BALANCE:
        return Finished(event, Processed(Reason.BALANCE))
    try:
        about = event.payload["data"]["object"]
        intent = payment_intent_of(subject, about)
        named = None if subject in NAMELESS else named_in(about)
        snapshot = shown(event, subject, about)
    except (UnreadableError, KeyError, TypeError, AttributeError):
        return None
    return _Parsed(event, subject, about, intent, named, snapshot) if isinstance(intent, str) else None


class _Payments:
    """The payments of many events, locked."""

    def __init__(self, context: Context, connection: Connection, parsed: Sequence[_Parsed]) -> None:
        self._context = context
        self._connection = connection
        locked = payments.lock_all(
            connection,
            payment_ids={payment_id for each in parsed if (payment_id := each.payment_id)},
            payment_intents={each.payment_intent for each in parsed},
        )
        self._by_id = {each.payment.payment_id: each for each in locked}
        self._by_intent = {each.payment.stripe_payment_intent_id: each for each in locked}

    def of(self, parsed: _Parsed) -> Locked | Ignored | None:
        """The payment of an event: by its PaymentIntent, or by what its metadata and its key prove together."""
        if known := self._by_intent.get(parsed.payment_intent):
            is_there = known.payment.stripe_account == parsed.event.stripe_account
            return known if is_there else Ignored(Reason.FOREIGN)
        if parsed.named is None:
            return None
        known = self._by_id.get(parsed.payment_id) if parsed.payment_id else None
        if known is None:
            return Ignored(Reason.FOREIGN)
        return known if self._is_proven(parsed, parsed.named, known.payment) else None

    def _is_proven(self, parsed: _Parsed, named: Named, payment: Payment) -> bool:
        context, connection = self._context, self._connection
        return (
            payment.stripe_payment_intent_id is None
            and is_of(context, connection, payment, named, account=parsed.event.stripe_account)
            and charged_under(context, connection, payment.payment_id, parsed.event.idempotency_key)
        )


def _apply(
    context: Context, connection: Connection, parsed: _Parsed, known: _Payments
) -> Finished | LacksFee | None:
    match known.of(parsed):
        case Locked() as locked:
            result = _result(context, connection, parsed, locked)
            return (
                Finished(parsed.event, result, locked.payment.payment_id)
                if isinstance(result, Processed)
                else result
            )
        case Ignored() as foreign:
            return Finished(parsed.event, foreign)
        case None:
            return None


def _result(
    context: Context, connection: Connection, parsed: _Parsed, locked: Locked
) -> Processed | LacksFee | None:
    match parsed.subject:
        case Subject.CHARGE if may_show_more(locked.payment, parsed.event.type, parsed.about):
            return None
        case Subject.CHARGE:
            transaction = id_of(parsed.about.get("balance_transaction"))
            if transaction is None or locked.has_balance_transaction:
                return UNCHANGED
            return LacksFee(parsed.event, locked.payment.payment_id, transaction)
        case Subject.REFUNDED_CHARGE:
            return None if may_refund_more(locked.payment, parsed.about) else UNCHANGED
        case Subject.EARLY_FRAUD_WARNING:
            return None
        case _:
            return _applied(context, connection, parsed, locked)


def _applied(context: Context, connection: Connection, parsed: _Parsed, locked: Locked) -> Processed | None:
    if parsed.snapshot is None:
        return None
    judgement = judge(context, connection, locked.payment, parsed.snapshot, proof=proof_of(parsed.event))
    result = result_of(judgement.verdict)
    if not isinstance(result, Processed):
        return None
    cause = context.cause(f"event {parsed.event.type}", event_id=parsed.event.event_id)
    write(connection, judgement.writes(cause=cause, now=context.clock()))
    if isinstance(judgement.verdict, Advanced | DisputeMoved):
        locked.payment = judgement.verdict.payment
    return result
