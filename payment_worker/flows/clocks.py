"""Checks that the clocks of Stripe, PostgreSQL and this machine agree before an object is declared absent.

PostgreSQL's clock says how long ago a request was sent, and Stripe's when its objects were created. A list that is
read for the wrong minutes does not contain the object.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Final

from payment_worker.flows.context import Context
from payment_worker.telemetry import logger
from payment_worker.telemetry.metrics import CLOCKS_APART
from payment_worker.telemetry.recorder import count

log = logger(__name__)

MOST_SKEW: Final = timedelta(seconds=60)
"""NTP keeps clocks within fractions of a second. A look-up tolerates five times as much."""


class Apart(StrEnum):
    """The clock that is too far from PostgreSQL's."""

    STRIPE = "stripe"
    MACHINE = "machine"
    UNKNOWN = "unknown"
    """Stripe's: no response contained the time."""


def apart(context: Context) -> Apart | None:
    """The clock that differs too much from PostgreSQL's to declare absence, which is logged; None if none does.

    Call it after Stripe has responded, so that its time is known.
    """
    clock = _differing_clock(context)
    if clock:
        count(CLOCKS_APART, clock)
        log.error(
            "clocks apart: absence is not believed",
            clock=clock.value,
            stripe_ahead_seconds=_seconds(stripe_skew(context)),
            machine_ahead_seconds=_seconds(context.machine_skew()),
        )
    return clock


def stripe_skew(context: Context) -> timedelta | None:
    """How far Stripe's clock is ahead of ours; None before its first response."""
    date = context.stripe.now()
    return None if date is None else date - context.clock()


def _differing_clock(context: Context) -> Apart | None:
    skew = stripe_skew(context)
    if skew is None:
        return Apart.UNKNOWN
    if abs(skew) > MOST_SKEW:
        return Apart.STRIPE
    return Apart.MACHINE if abs(context.machine_skew()) > MOST_SKEW else None


def _seconds(skew: timedelta | None) -> int | None:
    return None if skew is None else round(skew.total_seconds())
