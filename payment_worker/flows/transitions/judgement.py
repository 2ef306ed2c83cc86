"""Decides what a snapshot changes in our record: the verdict, the rows to write, and the remaining differences."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Final

from payment_worker.domain.findings.kinds import Difference
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.domain.transitions.disputes import DisputeMoved
from payment_worker.domain.transitions.verdicts import (
    Advanced,
    AwaitsAttempt,
    Contradicted,
    Contradiction,
    KeyUnknown,
    PaymentBehind,
    Stale,
    Unchanged,
)
from payment_worker.store.records.history import Cause
from payment_worker.store.statements import Write

Writes = list[Write]

Verdict = (
    Advanced | DisputeMoved | Unchanged | Stale | PaymentBehind | AwaitsAttempt | KeyUnknown | Contradicted
)


class PaymentCheck(Enum):
    """Whether a payment was compared with Stripe just now, and with which result."""

    NONE = auto()
    CURRENT = auto()
    CONTRADICTED = auto()

    def leaves_no_money(self, payment: Payment) -> bool:
        """Whether it is certain that our record of a payment will not show by itself the money that Stripe moved."""
        return self is PaymentCheck.CONTRADICTED or (
            self is PaymentCheck.CURRENT and payment.status in NO_MONEY
        )


NO_MONEY: Final = frozenset({PaymentStatus.FAILED, PaymentStatus.CANCELED})
"""States of a payment of which nothing can be refunded or disputed, unless our record is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundProof:
    """What is known of a Refund besides what it shows."""

    made_under: str | None = None
    """The idempotency key of the request that created it; empty if it had none, None if unknown."""
    is_asked: bool = False
    """Whether that key was looked up at Stripe."""
    is_accepted: bool = False
    """A person says that it is what its metadata say."""


NO_PROOF: Final = RefundProof()


def nothing(*, cause: Cause, now: datetime) -> Writes:  # noqa: ARG001 - as `Judgement.writes` is called
    """No rows."""
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a snapshot changes, decided under the payment's lock."""

    verdict: Verdict
    before: Difference | None
    """How our record and the snapshot differed."""
    left: Difference | None
    """How they still differ once the rows are written."""
    writes: Callable[..., Writes] = nothing
    """The rows to write, with history and messages, for a `cause` at a time `now`."""

    @property
    def contradiction(self) -> Contradiction | None:
        """What an operator has to decide, if anything."""
        match self.verdict:
            case Contradicted(contradiction) | Advanced(contradiction=contradiction):
                return contradiction
            case _:
                return None


UNDECIDED: Final = Judgement(verdict=AwaitsAttempt(), before=None, left=None)
"""Of an object that an unanswered attempt may have made: neither what it changes is known, nor what differs."""

KEY_UNKNOWN: Final = Judgement(verdict=KeyUnknown(), before=None, left=None)
"""Of an object whose metadata are ours: what it changes is known once it is known who made it."""
