"""Formats the result of a chaos run for the console."""

from collections import Counter
from collections.abc import Iterator, Mapping

from payment_worker.devstack.chaos.checker.invariant import Violation
from payment_worker.devstack.chaos.checker.records import Records


def statuses(records: Records) -> Iterator[str]:
    """How many payments and refunds ended in which status."""
    for name, rows in (("payments", records.payments), ("refunds", records.refunds)):
        counts = Counter(str(row["status"]).lower() for row in rows.values())
        yield f"{len(rows)} {name}: {listed(counts)}"


def listed(counts: Mapping[str, int]) -> str:
    """`3 of this, 2 of that`, the most frequent first."""
    return ", ".join(f"{count} {name}" for name, count in Counter(counts).most_common()) or "none"


def summary(violations: Mapping[str, list[Violation]]) -> str:
    """The number of violations of each invariant, zeros included."""
    return ", ".join(f"{len(found)} {name}" for name, found in violations.items())


def by_payment(violations: Mapping[str, list[Violation]]) -> Mapping[str, list[str]]:
    """The violations, grouped by payment."""
    found: dict[str, list[str]] = {}
    for name, each in violations.items():
        for violation in each:
            found.setdefault(violation.payment_id, []).append(f"{name}: {violation.what}")
    return found
