"""Applies the snapshot of an event's object, and returns the event's result."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, assert_never

from payment_worker.domain.accounts import account_of
from payment_worker.domain.attempts.outcome import Absent, Delay, Postponed, Unanswered
from payment_worker.domain.findings.closures import closed_account, closed_list, not_shown
from payment_worker.domain.findings.kinds import StripeList
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
from payment_worker.flows.events.result import UNANSWERED, Deferred, Ignored, Processed, Reason, Result
from payment_worker.flows.events.subjects import KINDS, About, Subject, proof_of, shown
from payment_worker.flows.transitions.apply import Applied, NoPayment, NotShown, Overtaken, apply_snapshot
from payment_worker.flows.transitions.contradictions import missing_there, record_finding, unreadable
from payment_worker.flows.transitions.judgement import NO_PROOF, RefundProof, Verdict
from payment_worker.flows.transitions.refresh import ObjectKind, Snapshot, Target
from payment_worker.gateway.client import NotFetched, Unreadable
from payment_worker.gateway.parsing import UnreadableError
from payment_worker.store.events import event_polls, inbox
from payment_worker.store.events.inbox import EventStatus, InboxEvent
from payment_worker.store.statements import Write

ASKED_AGAIN_AFTER: Final = timedelta(hours=3)
"""How long an event waits whose account we may not read: its owner has to grant access first, or never will."""


def apply(
    context: Context,
    event: InboxEvent,
    payment: Payment,
    kind: ObjectKind,
    stripe_id: str,
    *,
    snapshot: Snapshot | None = None,
    proof: RefundProof = NO_PROOF,
    ends_event: bool = False,
) -> Result:
    """Apply the object of an event, as the event shows it or as it is now.

    Args:
        snapshot: what is applied; without it, the object is retrieved.
        proof: what is known of a Refund besides what it shows.
        ends_event: whether that finishes the event: then it is marked as processed in the same transaction.
    """
    target = _target(payment, kind, stripe_id)
    cause = context.cause(f"event {event.type}", event_id=event.event_id)

    def also(verdict: Verdict) -> Sequence[Write]:
        return _ended(context, event, result_of(verdict)) if ends_event else ()

    application = apply_snapshot(context, target, snapshot, cause=cause, proof=proof, also=also)
    match application:
        case Applied(verdict):
            result = result_of(verdict)
            return replace(result, is_recorded=ends_event) if isinstance(result, Processed) else result
        case NotShown(its, answer):
            return _not_shown(context, its, answer)
        case Overtaken():
            return Deferred(Reason.OVERTAKEN)
        case NoPayment():
            return Ignored(Reason.FOREIGN)
        case _:
            assert_never(application)


def _target(payment: Payment, kind: ObjectKind, stripe_id: str) -> Target:
    return Target(
        kind=kind, stripe_id=stripe_id, payment_id=payment.payment_id, account=payment.stripe_account
    )


def _ended(context: Context, event: InboxEvent, result: Result) -> Sequence[Write]:
    if not isinstance(result, Processed):
        return ()
    now = context.clock()
    return (inbox.finished(event, status=EventStatus.PROCESSED, outcome=result.reason, now=now),)


def apply_shown(
    context: Context, event: InboxEvent, payment: Payment, subject: Subject, about: About
) -> Result:
    """Apply the object that an event carries: as it shows it, if that can be trusted, else as it is now."""
    kind, stripe_id = KINDS[subject], about["id"]
    try:
        snapshot = shown(event, subject, about)
    except UnreadableError:
        return _not_shown(context, _target(payment, kind, stripe_id), Unreadable())
    return apply(
        context,
        event,
        payment,
        kind,
        stripe_id,
        snapshot=snapshot,
        proof=proof_of(event),
        ends_event=True,
    )


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


def _not_shown(context: Context, target: Target, answer: NotFetched) -> Result:
    match answer:
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
            return unavailable(context, answer, account=target.account)
        case _:
            assert_never(answer)


def unavailable(context: Context, answer: Unanswered | Postponed, *, account: str) -> Deferred:
    """Reschedule an event because the object could not be retrieved; a closed account of ours is one finding."""
    match answer:
        case Postponed(Delay.ACCESS_DENIED):
            _record_closed(context, account)
            return Deferred(Reason.FORBIDDEN, counts=False, delay=ASKED_AGAIN_AFTER)
        case Postponed(delay):
            return Deferred(Reason.UNAVAILABLE, delay, counts=False)
        case Unanswered(unknown_reason):
            return Deferred(Reason.UNAVAILABLE, unknown_reason)


def _record_closed(context: Context, account: str) -> None:
    closed = (
        closed_account(account)
        if account_of(account).connected
        else closed_list(StripeList.PAYMENT_INTENTS, stripe_account=account)
    )
    with context.database.begin() as connection:
        if account in event_polls.accounts(connection):
            hidden = not_shown(closed, stripe_account=account, reason=Delay.ACCESS_DENIED)
            record_finding(context, connection, hidden)
