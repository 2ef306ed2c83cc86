"""The verdict: every way in which the promise can be broken, looked for in every payment."""

from collections.abc import Mapping
from typing import Final

from payment_worker.devstack.chaos import course, money
from payment_worker.devstack.chaos.evidence import Breach, Charge, Evidence

COUNTS: Final[Mapping[str, Charge]] = {
    "doubled": money.doubled,
    "lost": course.lost,
    "stuck": course.stuck,
    "over-refunded": money.over_refunded,
    "charges that differ": money.charges_differ,
    "refunds that differ": money.refunds_differ,
    "disputes that differ": money.disputes_differ,
    "histories broken": course.history_broken,
    "messages missing": course.messages_missing,
    "messages out of order": course.messages_out_of_order,
}
"""Each way to break the promise, and how it is looked for."""


def judged(evidence: Evidence) -> dict[str, list[Breach]]:
    """Every breach, by its way."""
    return {name: list(charge(evidence)) for name, charge in COUNTS.items()}
