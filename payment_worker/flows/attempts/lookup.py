"""Looks up an attempt of unknown outcome at Stripe when it is not safe to repeat its request."""

import json
from datetime import datetime, timedelta
from typing import Final, assert_never

from payment_worker.domain.attempts.absence import absence_is_believed, resume_after
from payment_worker.domain.attempts.attempt import Action, Attempt
from payment_worker.domain.attempts.outcome import (
    Absent,
    LookupResult,
    Outcome,
    Postponed,
    ScanIncomplete,
    ScanResult,
    Shown,
    Unanswered,
    UnknownReason,
)
from payment_worker.domain.findings.payments import unverified_metadata
from payment_worker.domain.payment import Payment, PaymentTrigger
from payment_worker.domain.snapshots import PaymentIntentSnapshot, RefundSnapshot
from payment_worker.domain.transitions.payments import shows_previous_attempt
from payment_worker.flows.context import Context
from payment_worker.flows.transitions.contradictions import record_finding
from payment_worker.flows.transitions.provenance import CLOCKS_DIFFER_BY, find_made, keys_of, sent_within
from payment_worker.flows.transitions.refresh import ObjectKind
from payment_worker.gateway.transport.retries import Seconds
from payment_worker.store.records import history

CLOCKS_DIFFER_LITTLE: Final = timedelta(seconds=10)
"""How far it ordinarily is wrong at most: what exists is nearly always found so near."""

EVENT_IDS: Final = "evt_"
"""Prefix of Stripe's event ids: a look-up whose cursor is one has read the list of objects to its end."""


def look_up(
    context: Context, attempt: Attempt, payment: Payment, *, call_began_at: datetime
) -> Outcome | Absent | ScanIncomplete:
    """Look up the attempt's object at Stripe. After a failed read the outcome stays unknown for the same reason.

    Args:
        call_began_at: when the look-up began, by which absence is decided.
    """
    result = _search(context, attempt, payment, call_began_at)
    match result:
        case Shown() | Absent() | ScanIncomplete():
            return result
        case Postponed(delay):
            return Postponed(delay)  # The request id would be that of the look-up.
        case Unanswered():
            return Unanswered(attempt.unknown_reason or UnknownReason.NO_ANSWER)
        case _:
            assert_never(result)


def _search(context: Context, attempt: Attempt, payment: Payment, call_began_at: datetime) -> ScanResult:
    account = payment.stripe_account
    match attempt.action:
        case Action.CHARGE if payment.stripe_payment_intent_id:
            return context.stripe.payment_intent(payment.stripe_payment_intent_id, account=account)
        case Action.CHARGE | Action.REFUND:
            return _find_object(context, attempt, payment, call_began_at)
        case Action.CAPTURE | Action.CANCEL | Action.RETRY:
            result = context.stripe.payment_intent(payment.payment_intent, account=account)
            if isinstance(result, Absent):
                # It existed before: if it is not shown now, the look-up says nothing about the outcome.
                return Unanswered(attempt.unknown_reason or UnknownReason.NO_ANSWER)
            return Absent() if _shows_no_effect(context, attempt, payment, result) else result
        case _:
            assert_never(attempt.action)


def _find_object(context: Context, attempt: Attempt, payment: Payment, call_began_at: datetime) -> ScanResult:
    """Find the attempt's object: by its metadata on the list of such objects, and proven by an event of its key.

    To prove absence, that list and the events are read to their end. That reads all payments of ten minutes and more
    on the account, so it is left out while it could not prove anything yet. Otherwise it continues where the run
    before stopped.
    """
    absence_delay = context.policy.absence_delay
    is_wide = absence_is_believed(attempt, call_began_at=call_began_at, absence_delay=absence_delay)
    after = resume_after(attempt, absence_delay=absence_delay) if is_wide else None
    if after and after.startswith(EVENT_IDS):
        return _find_by_key(context, attempt, payment, after=after)
    while True:
        result = _search_list(context, attempt, payment, after=after, is_wide=is_wide)
        match result:
            case Shown():
                verified = _verify_creator(context, attempt, payment, result)
                if verified is not None:
                    return verified
                after = _id(result)
                if _time_left(context, attempt)() < context.stripe.timeout_seconds:
                    return ScanIncomplete(after)  # so many copies: the next round goes on behind this one
            case Absent() if is_wide:
                return _find_by_key(context, attempt, payment, after=None)
            case _:
                return result


def _verify_creator(context: Context, attempt: Attempt, payment: Payment, shown: Shown) -> ScanResult | None:
    """The object shown with the attempt's metadata, if an event says that its key created it; None for a copy.

    If no event says who created it, the outcome stays unknown: the event may be late.
    """
    kind = ObjectKind.REFUND if attempt.refund_id else ObjectKind.PAYMENT_INTENT
    keys = keys_of(context, kind, _id(shown), account=payment.stripe_account)
    if isinstance(keys, Unanswered | Postponed):
        return keys
    if not isinstance(keys, frozenset):
        return Unanswered(UnknownReason.TRUNCATED_ANSWER)  # what was listed just now cannot be absent
    if attempt.idempotency_key in keys:
        return shown
    if not keys:
        return Unanswered(UnknownReason.NO_ANSWER)
    difference = unverified_metadata(
        _id(shown),
        payment_id=payment.payment_id,
        refund_id=attempt.refund_id,
        stripe_account=payment.stripe_account,
    )
    with context.database.begin() as connection:
        record_finding(context, connection, difference)
    return None


def _id(shown: Shown) -> str:
    snapshot = shown.snapshot
    return (
        snapshot.stripe_refund_id
        if isinstance(snapshot, RefundSnapshot)
        else snapshot.stripe_payment_intent_id
    )


def _find_by_key(context: Context, attempt: Attempt, payment: Payment, *, after: str | None) -> ScanResult:
    return find_made(
        context, attempt, account=payment.stripe_account, after=after, time_left=_time_left(context, attempt)
    )


def _search_list(
    context: Context, attempt: Attempt, payment: Payment, *, after: str | None, is_wide: bool
) -> ScanResult:
    """Found by its metadata: near the time at which it was sent, or, to prove absence, wherever it can be."""
    parameters, time_left = json.loads(attempt.parameters), _time_left(context, attempt)
    if attempt.refund_id is not None:
        return context.stripe.find_refund(
            parameters,
            account=payment.stripe_account,
            after=after,
            time_left=time_left,
        )
    window = sent_within(context, attempt, margin=CLOCKS_DIFFER_BY if is_wide else CLOCKS_DIFFER_LITTLE)
    return context.stripe.find_payment_intent(
        parameters,
        since=window.since,
        until=window.until,
        # The customer's own list is short, but may lack the object: the customer may have been deleted.
        customer=None if is_wide else parameters.get("customer"),
        account=payment.stripe_account,
        after=after,
        time_left=time_left,
    )


def _time_left(context: Context, attempt: Attempt) -> Seconds:
    """Until when pages may be read: Celery's soft time limit, which would discard what the run has read.

    That is half-way between the lease's end and the longest call (`celeryconfig.py`).
    """
    longest_call = timedelta(seconds=context.stripe.timeout_seconds)
    until = attempt.leased_until - (context.policy.lease - longest_call) / 2

    def time_left() -> float:
        return (until - context.clock()).total_seconds()

    return time_left


def _shows_no_effect(context: Context, attempt: Attempt, payment: Payment, result: LookupResult) -> bool:
    """Whether the PaymentIntent is as it was before the attempt, so far."""
    if not isinstance(result, Shown) or not isinstance(result.snapshot, PaymentIntentSnapshot):
        return False
    snapshot = result.snapshot
    match attempt.action:
        case Action.CAPTURE:
            return snapshot.trigger is PaymentTrigger.AUTHORIZED and not _is_captured(
                context, attempt, snapshot
            )
        case Action.CANCEL:
            return not snapshot.is_final
        case _:
            # Once there was a response, whatever is shown is the outcome.
            return attempt.unknown_reason is not UnknownReason.SUPERSEDED and shows_previous_attempt(
                payment, snapshot
            )


def _is_captured(context: Context, attempt: Attempt, snapshot: PaymentIntentSnapshot) -> bool:
    """Whether a capture that is not the final one was made."""
    parameters = json.loads(attempt.parameters)
    if parameters.get("final_capture", True):
        return False
    with context.database.begin() as connection:
        captured_before = history.captured_before(connection, attempt)
    return bool(snapshot.amount_received >= captured_before + parameters["amount_to_capture"])
