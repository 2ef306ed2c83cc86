"""Applies the snapshot of an event's object, and returns the event's result."""

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from payment_worker.domain.attempts.outcome import Absent, Postponed, Unanswered
from payment_worker.domain.payment import Payment
from payment_worker.domain.transitions.disputes import DisputeMoved
from payment_worker.domain.transitions.verdicts import (
    Advanced,
    AwaitsAttempt,
    Contradicted,
    KeyUnknown,
    PaymentBehind,
    Stale,
    Unchanged,
)
from payment_worker.flows.context import Context
from payment_worker.flows.events.event_object import EventObject
from payment_worker.flows.events.event_types import KINDS
from payment_worker.flows.events.fetch import unavailable
from payment_worker.flows.events.result import UNANSWERED, Deferred, Ignored, Processed, Reason, Result
from payment_worker.flows.transitions.apply import Applied, NoPayment, NotShown, Overtaken, apply_snapshot
from payment_worker.flows.transitions.contradictions import missing_there, record_finding, unreadable
from payment_worker.flows.transitions.judgement import NO_PROOF, RefundProof, Verdict
from payment_worker.flows.transitions.refresh import Snapshot, Target, target_of
from payment_worker.gateway.client import NotFetched, Unreadable
from payment_worker.store.events import inbox
from payment_worker.store.events.inbox import EventStatus, InboxEvent
from payment_worker.store.statements import Write


def apply_shown(context: Context, event_object: EventObject, payment: Payment) -> Result:
    """Apply the object that an event carries: as it shows it, if that can be trusted, else as it is now."""
    target = target_of(KINDS[event_object.subject], event_object.stripe_id, payment)
    if isinstance(event_object.snapshot, Unreadable):
        return _result_without_object(context, event_object.event, target, event_object.snapshot)
    return apply(
        context, event_object.event, target, event_object.snapshot, proof=event_object.proof, ends_event=True
    )


def apply(
    context: Context,
    event: InboxEvent,
    target: Target,
    snapshot: Snapshot | None = None,
    *,
    proof: RefundProof = NO_PROOF,
    ends_event: bool = False,
) -> Result:
    """Apply an object of which an event tells.

    Args:
        snapshot: what is applied; without it, the object is retrieved.
        proof: what is known of a Refund besides what it shows.
        ends_event: whether that finishes the event: then it is marked as processed in the same transaction.
    """

    def further_writes(verdict: Verdict) -> Sequence[Write]:
        result = result_of(verdict)
        if not ends_event or not isinstance(result, Processed):
            return ()
        status = EventStatus.PROCESSED
        return (inbox.finished(event, status=status, outcome=result.reason, now=context.clock()),)

    cause = context.cause(f"event {event.type}", event_id=event.event_id)
    application = apply_snapshot(
        context, target, snapshot, cause=cause, proof=proof, further_writes=further_writes
    )
    match application:
        case Applied(verdict):
            result = result_of(verdict)
            return replace(result, is_recorded=ends_event) if isinstance(result, Processed) else result
        case NotShown(target_not_shown, failure):
            return _result_without_object(context, event, target_not_shown, failure)
        case Overtaken():
            return Deferred(Reason.OVERTAKEN)
        case NoPayment():
            return Ignored(Reason.FOREIGN)
        case _:
            assert_never(application)


def result_of(verdict: Verdict) -> Result:
    """What an event came to whose object was judged so."""
    match verdict:
        case Advanced(contradiction=None) | DisputeMoved():
            return Processed(Reason.CHANGED)
        case Unchanged():
            return Processed(Reason.UNCHANGED)
        case Advanced() | Contradicted():
            return Processed(Reason.CONTRADICTED)
        case PaymentBehind():
            return Deferred(Reason.EARLY)
        case Stale():
            return Deferred(Reason.OVERTAKEN)
        case AwaitsAttempt() | KeyUnknown():
            return UNANSWERED
        case _:
            assert_never(verdict)


def _result_without_object(
    context: Context, event: InboxEvent, target: Target, failure: NotFetched
) -> Result:
    match failure:
        case Absent():
            with context.database.begin() as connection:
                missing = missing_there(connection, target)
                if missing is None:
                    return Ignored(Reason.ABSENT)
                record_finding(context, connection, missing)
            return Processed(Reason.CONTRADICTED)
        case Unreadable():
            with context.database.begin() as connection:
                record_finding(context, connection, unreadable(target))
            return Deferred(Reason.UNREADABLE)
        case Unanswered() | Postponed():
            return unavailable(context, event, failure)
        case _:
            assert_never(failure)
