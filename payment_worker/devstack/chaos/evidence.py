"""What is judged: the plan, both books, and what was told."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from payment_worker.devstack.chaos.audience import Told
from payment_worker.devstack.chaos.plan import Plan
from payment_worker.devstack.chaos.records import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that is known at the end."""

    plan: Plan
    records: Records
    told: Mapping[str, list[Told]]


@dataclass(frozen=True, slots=True)
class Breach:
    """One broken promise, and the payment it was broken to."""

    payment_id: str
    what: str


Charge = Callable[[Evidence], Iterator[Breach]]
"""One way to break the promise, looked for everywhere."""
