"""The result of a flow: the record's current status, and when the task should run again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from payment_worker.domain.payment import Payment
from payment_worker.domain.refund import Refund


class Unfinished(StrEnum):
    """Why a state may soon be another."""

    OURS = "rescheduled"
    OTHERS = "leased"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """The present state of a payment or a refund."""

    key: str
    """`payment_id` or `refund_id`."""
    identity: str
    status: str
    stripe_id: str | None
    reason: str | None
    unfinished: Unfinished | None = None
    due_again_at: datetime | None = None
    """When the unfinished work is due again."""

    def as_result(self) -> Mapping[str, str | None]:
        """As a task returns it."""
        return {
            self.key: self.identity,
            "status": self.status,
            "stripe_id": self.stripe_id,
            "reason": self.reason,
        }


def payment_result(
    payment: Payment, unfinished: Unfinished | None = None, due_again_at: datetime | None = None
) -> CommandResult:
    """The result about a payment; its reason is Stripe's code if there is one."""
    return CommandResult(
        key="payment_id",
        identity=str(payment.payment_id),
        status=payment.status,
        stripe_id=payment.stripe_payment_intent_id,
        reason=payment.decline_code or payment.failure_reason,
        unfinished=unfinished,
        due_again_at=due_again_at,
    )


def refund_result(
    refund: Refund, unfinished: Unfinished | None = None, due_again_at: datetime | None = None
) -> CommandResult:
    """The result about a refund."""
    return CommandResult(
        key="refund_id",
        identity=str(refund.refund_id),
        status=refund.status,
        stripe_id=refund.stripe_refund_id,
        reason=refund.failure_reason,
        unfinished=unfinished,
        due_again_at=due_again_at,
    )


@dataclass(frozen=True, slots=True)
class Conflict:
    """The id is taken by a request with other arguments: nothing was changed."""

    field: str
    """Which id."""


@dataclass(frozen=True, slots=True)
class NoSuchPayment:
    """There is no payment of this id. Its charge may still be in another queue."""
