"""Lists every invariant of a chaos run and collects their violations."""

from collections.abc import Mapping
from typing import Final

from payment_worker.devstack.chaos.checker import lifecycle, money
from payment_worker.devstack.chaos.checker.invariant import Invariant, RunResult, Violation

INVARIANTS: Final[Mapping[str, Invariant]] = {
    "doubled": money.doubled,
    "forged": money.forged,
    "lost": lifecycle.lost,
    "stuck": lifecycle.stuck,
    "over-refunded": money.over_refunded,
    "charges that differ": money.charges_differ,
    "refunds that differ": money.refunds_differ,
    "disputes that differ": money.disputes_differ,
    "warnings that differ": money.warnings_differ,
    "histories broken": lifecycle.history_broken,
    "messages missing": lifecycle.messages_missing,
    "messages out of order": lifecycle.messages_out_of_order,
}
"""Each invariant, by what the report calls its violations."""


def check(result: RunResult) -> dict[str, list[Violation]]:
    """All violations, by invariant."""
    return {name: list(invariant(result)) for name, invariant in INVARIANTS.items()}
