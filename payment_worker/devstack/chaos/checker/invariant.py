"""Types of the checker: the result of a chaos run, a violation, and the signature of an invariant."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from payment_worker.devstack.chaos.checker.records import Records
from payment_worker.devstack.chaos.workload.consumer import PublishedMessage
from payment_worker.devstack.chaos.workload.generator import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What was requested, what both sides recorded, and what was published."""

    workload: Workload
    records: Records
    published: Mapping[str, list[PublishedMessage]]


@dataclass(frozen=True, slots=True)
class Violation:
    """One violated invariant, and the payment concerned."""

    payment_id: str
    what: str


Invariant = Callable[[RunResult], Iterator[Violation]]
"""Yields a violation for each payment that does not satisfy it."""
