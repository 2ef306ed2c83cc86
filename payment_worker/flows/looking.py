"""Looking for what an attempt made, where sending it again would prove nothing or is not safe any more."""

import json
from datetime import timedelta
from typing import Final, assert_never

from payment_worker.domain.attempt import Action, Attempt, absence_is_believed
from payment_worker.domain.observation import PaymentSeen
from payment_worker.domain.outcome import Absent, Doubt, Outcome, Postponed, Settled, Sighting, Unanswered
from payment_worker.domain.payment import PaymentNews
from payment_worker.domain.records import Payment
from payment_worker.domain.settlement import shows_former_try
from payment_worker.flows.world import World

CLOCKS_DIFFER_BY: Final = timedelta(minutes=5)
"""How far our clock and Stripe's may be apart when a list by creation time is read; NTP keeps it far below."""

CLOCKS_DIFFER_LITTLE: Final = timedelta(seconds=10)
"""How far they ordinarily are apart at most: what exists is nearly always found so near."""


def look_up(world: World, attempt: Attempt, payment: Payment) -> Outcome | Absent:
    """What Stripe shows of the attempt. A failed read leaves the doubt as it was."""
    sighting = _sighting(world, attempt, payment)
    match sighting:
        case Settled() | Absent() | Postponed():
            return sighting
        case Unanswered():
            return Unanswered(attempt.doubt or Doubt.SILENCE)
        case _:
            assert_never(sighting)


def _sighting(world: World, attempt: Attempt, payment: Payment) -> Sighting:
    account = payment.stripe_account
    match attempt.action:
        case Action.CHARGE if payment.stripe_payment_intent_id:
            return world.stripe.payment_intent(payment.stripe_payment_intent_id, account=account)
        case Action.CHARGE:
            return _listed(world, attempt, payment)
        case Action.REFUND:
            assert attempt.refund_id is not None  # noqa: S101 - a CHECK says so
            return world.stripe.find_refund(
                attempt.refund_id,
                stripe_payment_intent_id=json.loads(attempt.parameters)["payment_intent"],
                account=account,
            )
        case Action.CAPTURE | Action.CANCEL | Action.RETRY:
            seen = world.stripe.payment_intent(str(payment.stripe_payment_intent_id), account=account)
            return Absent() if _shows_no_effect(attempt, payment, seen) else seen
        case _:
            assert_never(attempt.action)


def _listed(world: World, attempt: Attempt, payment: Payment) -> Sighting:
    """The PaymentIntent on the list: near the time at which it was sent, then wherever it can be.

    The wide look reads everybody's payments of ten minutes, so it is spared where it would not be believed.
    """
    near = _listed_within(world, attempt, payment, CLOCKS_DIFFER_LITTLE)
    if not isinstance(near, Absent):
        return near
    now, absence_delay = world.clock(), world.policy.absence_delay
    if not absence_is_believed(attempt, asked_at=now, absence_delay=absence_delay):
        return near
    return _listed_within(world, attempt, payment, CLOCKS_DIFFER_BY)


def _listed_within(world: World, attempt: Attempt, payment: Payment, margin: timedelta) -> Sighting:
    return world.stripe.find_payment_intent(
        payment.payment_id,
        since=attempt.first_sent_at - margin,
        until=attempt.sent_until + margin,
        customer=json.loads(attempt.parameters).get("customer"),
        account=payment.stripe_account,
    )


def _shows_no_effect(attempt: Attempt, payment: Payment, sighting: Sighting) -> bool:
    """Whether the PaymentIntent is as it was before the attempt, so far."""
    if not isinstance(sighting, Settled) or not isinstance(sighting.seen, PaymentSeen):
        return False
    seen = sighting.seen
    match attempt.action:
        case Action.CAPTURE:
            return seen.news is PaymentNews.AUTHORIZED
        case Action.CANCEL:
            return not seen.is_timeless
        case _:
            # Once there was an answer, whatever is shown is what came of it.
            return attempt.doubt is not Doubt.OVERTAKEN and shows_former_try(payment, seen)
