"""Looks up at Stripe what an attempt of unknown outcome created, where repeating its request is not safe."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, assert_never

from payment_worker.domain.attempt import Action, Attempt, absence_is_believed, resume_after
from payment_worker.domain.outcome import (
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
from payment_worker.domain.payment import Payment, PaymentTrigger
from payment_worker.domain.snapshots import PaymentIntentSnapshot
from payment_worker.domain.transitions import shows_previous_attempt
from payment_worker.flows.clocks import stripe_skew
from payment_worker.flows.context import Context
from payment_worker.gateway.client import MADE_UNDER_A_KEY
from payment_worker.gateway.retries import Seconds
from payment_worker.store import inbox

CLOCKS_DIFFER_BY: Final = timedelta(minutes=5)
"""How far our idea of Stripe's clock may be wrong when a list by creation time is read to prove absence."""

CLOCKS_DIFFER_LITTLE: Final = timedelta(seconds=10)
"""How far it ordinarily is wrong at most: what exists is nearly always found so near."""


EVENT_IDS: Final = "evt_"
"""How Stripe's ids of events begin: a look that stopped at one is past the list of objects."""

TOLD_WITHIN: Final = timedelta(minutes=10)
"""How long after a request an event of it is looked for in the inbox. Stripe's own list has those that came later."""


def look_up(
    context: Context, attempt: Attempt, payment: Payment, *, asked_at: datetime
) -> Outcome | Absent | ScanIncomplete:
    """What Stripe shows of the attempt. A failed read leaves the doubt as it was.

    Args:
        asked_at: when the look began, by which its absence is judged afterwards.
    """
    searched = _searched(context, attempt, payment, asked_at)
    match searched:
        case Shown() | Absent() | ScanIncomplete():
            return searched
        case Postponed(delay):
            return Postponed(delay)  # the request's id would be that of the look
        case Unanswered():
            return Unanswered(attempt.unknown_reason or UnknownReason.NO_ANSWER)
        case _:
            assert_never(searched)


def _searched(context: Context, attempt: Attempt, payment: Payment, asked_at: datetime) -> ScanResult:
    account = payment.stripe_account
    match attempt.action:
        case Action.CHARGE if payment.stripe_payment_intent_id:
            return context.stripe.payment_intent(payment.stripe_payment_intent_id, account=account)
        case Action.CHARGE | Action.REFUND:
            return _found(context, attempt, payment, asked_at)
        case Action.CAPTURE | Action.CANCEL | Action.RETRY:
            seen = context.stripe.payment_intent(payment.payment_intent, account=account)
            if isinstance(seen, Absent):
                # It was there when it was asked for: whoever does not see it now does not see what came of it.
                return Unanswered(attempt.unknown_reason or UnknownReason.NO_ANSWER)
            return Absent() if _shows_no_effect(attempt, payment, seen) else seen
        case _:
            assert_never(attempt.action)


def _found(context: Context, attempt: Attempt, payment: Payment, asked_at: datetime) -> ScanResult:
    """What the attempt made: on the list of such objects and then, to prove absence, among the events of its key.

    The wide look reads everybody's payments of ten minutes and more, so it is spared where it would not be believed.
    Where it would be, it goes on where the round before stopped.
    """
    absence_delay = context.policy.absence_delay
    is_wide = absence_is_believed(attempt, asked_at=asked_at, absence_delay=absence_delay)
    after = resume_after(attempt, absence_delay=absence_delay) if is_wide else None
    is_on_events = bool(after and after.startswith(EVENT_IDS))
    if not is_on_events:
        listed = _listed(context, attempt, payment, after=after, is_wide=is_wide)
        if not (is_wide and isinstance(listed, Absent)):
            return listed
    return _by_key(context, attempt, payment, after=after if is_on_events else None)


def _listed(
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
    window = _window(context, attempt, margin=CLOCKS_DIFFER_BY if is_wide else CLOCKS_DIFFER_LITTLE)
    return context.stripe.find_payment_intent(
        parameters,
        since=window.since,
        until=window.until,
        # The customer's own list is short, but it may not hold what was sent: a person can delete the customer.
        customer=None if is_wide else parameters.get("customer"),
        account=payment.stripe_account,
        after=after,
        time_left=time_left,
    )


def _by_key(context: Context, attempt: Attempt, payment: Payment, *, after: str | None) -> ScanResult:
    """Found by its idempotency key, whatever became of its metadata: in the inbox, and on Stripe's list of events."""
    account = payment.stripe_account
    with context.database.begin() as connection:
        object_id = inbox.made_under(
            connection,
            attempt.idempotency_key,
            stripe_account=account or "",
            types=MADE_UNDER_A_KEY[attempt.action],
            since=attempt.first_sent_at - CLOCKS_DIFFER_BY,
            until=attempt.sent_until + TOLD_WITHIN,
        )
    if object_id:
        return context.stripe.made_by(attempt, object_id, account=account)
    window = _window(context, attempt, margin=CLOCKS_DIFFER_BY)
    return context.stripe.find_by_key(
        attempt,
        since=window.since,
        until=window.until,
        account=account,
        after=after,
        time_left=_time_left(context, attempt),
    )


@dataclass(frozen=True, slots=True)
class Window:
    """A period by Stripe's clock."""

    since: datetime
    until: datetime


def _window(context: Context, attempt: Attempt, *, margin: timedelta) -> Window:
    """When Stripe can have made what was sent, by its own clock.

    Both as far as the clocks differ now and as far as they differed when it was sent: one was perhaps set meanwhile.
    """
    skews = [stripe_skew(context) or timedelta()]
    if attempt.stripe_sent_at:
        skews.append(attempt.stripe_sent_at - attempt.first_sent_at)
    return Window(
        since=attempt.first_sent_at + min(skews) - margin, until=attempt.sent_until + max(skews) + margin
    )


def _time_left(context: Context, attempt: Attempt) -> Seconds:
    """Until when a page may be awaited: Celery's soft limit, which would make the round forget what it read.

    That lies half-way between the lease's end and the longest call (`celeryconfig.py`).
    """
    call = timedelta(seconds=context.stripe.timeout_seconds)
    until = attempt.leased_until - (context.policy.lease - call) / 2

    def time_left() -> float:
        return (until - context.clock()).total_seconds()

    return time_left


def _shows_no_effect(attempt: Attempt, payment: Payment, sighting: LookupResult) -> bool:
    """Whether the PaymentIntent is as it was before the attempt, so far."""
    if not isinstance(sighting, Shown) or not isinstance(sighting.seen, PaymentIntentSnapshot):
        return False
    seen = sighting.seen
    match attempt.action:
        case Action.CAPTURE:
            return seen.trigger is PaymentTrigger.AUTHORIZED
        case Action.CANCEL:
            return not seen.is_final
        case _:
            # Once there was an answer, whatever is shown is what came of it.
            return attempt.unknown_reason is not UnknownReason.SUPERSEDED and shows_previous_attempt(
                payment, seen
            )
