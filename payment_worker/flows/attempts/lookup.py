"""Looking for what an attempt made, where sending it again would prove nothing or is not safe any more."""

import json
from datetime import datetime, timedelta
from typing import Final, assert_never

from payment_worker.domain.attempt import Action, Attempt, absence_is_believed, goes_on_after
from payment_worker.domain.outcome import (
    Absent,
    Doubt,
    Outcome,
    Partly,
    Postponed,
    Searched,
    Shown,
    Sighting,
    Unanswered,
)
from payment_worker.domain.payment import Payment, PaymentTrigger
from payment_worker.domain.snapshots import PaymentIntentSnapshot
from payment_worker.domain.transitions import shows_former_try
from payment_worker.flows.context import World
from payment_worker.gateway.retries import Seconds

CLOCKS_DIFFER_BY: Final = timedelta(minutes=5)
"""How far our clock and Stripe's may be apart when a list by creation time is read; NTP keeps it far below."""

CLOCKS_DIFFER_LITTLE: Final = timedelta(seconds=10)
"""How far they ordinarily are apart at most: what exists is nearly always found so near."""


def look_up(
    world: World, attempt: Attempt, payment: Payment, *, asked_at: datetime
) -> Outcome | Absent | Partly:
    """What Stripe shows of the attempt. A failed read leaves the doubt as it was.

    Args:
        asked_at: when the look began, by which its absence is judged afterwards.
    """
    searched = _searched(world, attempt, payment, asked_at)
    match searched:
        case Shown() | Absent() | Partly():
            return searched
        case Postponed(delay):
            return Postponed(delay)  # the request's id would be that of the look
        case Unanswered():
            return Unanswered(attempt.doubt or Doubt.SILENCE)
        case _:
            assert_never(searched)


def _searched(world: World, attempt: Attempt, payment: Payment, asked_at: datetime) -> Searched:
    account = payment.stripe_account
    match attempt.action:
        case Action.CHARGE if payment.stripe_payment_intent_id:
            return world.stripe.payment_intent(payment.stripe_payment_intent_id, account=account)
        case Action.CHARGE:
            return _listed(world, attempt, payment, asked_at)
        case Action.REFUND:
            assert attempt.refund_id is not None  # noqa: S101 - a CHECK says so
            return world.stripe.find_refund(
                attempt.refund_id,
                stripe_payment_intent_id=json.loads(attempt.parameters)["payment_intent"],
                account=account,
                after=goes_on_after(attempt, absence_delay=world.policy.absence_delay),
                time_left=_time_left(world, attempt),
            )
        case Action.CAPTURE | Action.CANCEL | Action.RETRY:
            seen = world.stripe.payment_intent(payment.payment_intent, account=account)
            return Absent() if _shows_no_effect(attempt, payment, seen) else seen
        case _:
            assert_never(attempt.action)


def _listed(world: World, attempt: Attempt, payment: Payment, asked_at: datetime) -> Searched:
    """The PaymentIntent on the list: near the time at which it was sent, or, to prove absence, wherever it can be.

    The wide look reads everybody's payments of ten minutes and more, so it is spared where it would not be believed.
    Where it would be, it goes on where the round before stopped.
    """
    absence_delay = world.policy.absence_delay
    is_wide = absence_is_believed(attempt, asked_at=asked_at, absence_delay=absence_delay)
    margin = CLOCKS_DIFFER_BY if is_wide else CLOCKS_DIFFER_LITTLE
    return world.stripe.find_payment_intent(
        payment.payment_id,
        since=attempt.first_sent_at - margin,
        until=attempt.sent_until + margin,
        customer=json.loads(attempt.parameters).get("customer"),
        account=payment.stripe_account,
        after=goes_on_after(attempt, absence_delay=absence_delay) if is_wide else None,
        time_left=_time_left(world, attempt),
    )


def _time_left(world: World, attempt: Attempt) -> Seconds:
    """Until when a page may be awaited: Celery's soft limit, which would make the round forget what it read.

    That lies half-way between the lease's end and the longest call (`celeryconfig.py`).
    """
    call = timedelta(seconds=world.stripe.timeout_seconds)
    until = attempt.leased_until - (world.policy.lease - call) / 2

    def time_left() -> float:
        return (until - world.clock()).total_seconds()

    return time_left


def _shows_no_effect(attempt: Attempt, payment: Payment, sighting: Sighting) -> bool:
    """Whether the PaymentIntent is as it was before the attempt, so far."""
    if not isinstance(sighting, Shown) or not isinstance(sighting.seen, PaymentIntentSnapshot):
        return False
    seen = sighting.seen
    match attempt.action:
        case Action.CAPTURE:
            return seen.trigger is PaymentTrigger.AUTHORIZED
        case Action.CANCEL:
            return not seen.is_timeless
        case _:
            # Once there was an answer, whatever is shown is what came of it.
            return attempt.doubt is not Doubt.OVERTAKEN and shows_former_try(payment, seen)
