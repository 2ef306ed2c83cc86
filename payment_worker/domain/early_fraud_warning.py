"""Early fraud warnings, and the policy that decides whether to refund a suspected payment."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import assert_never

from payment_worker.domain.payment import Payment, PaymentStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyFraudWarning:
    """An early fraud warning as Stripe shows it: the card's issuer reported a charge as fraud."""

    stripe_early_fraud_warning_id: str
    fraud_type: str
    """The issuer's reason, in Stripe's word."""
    is_actionable: bool
    """False once the charge is disputed or refunded in full."""
    warned_at: datetime
    """By Stripe's clock."""
    stripe_charge_id: str | None = None
    stripe_payment_intent_id: str | None = None


class WarningDecision(Enum):
    """What the policy does about a warning."""

    REFUND = auto()
    WAIT = auto()
    """The payment may still succeed, and is looked at again."""
    LEAVE = auto()


def decide_warning(
    payment: Payment,
    warning: EarlyFraudWarning,
    *,
    is_disputed: bool,
    refund_within: timedelta,
    now: datetime,
) -> WarningDecision:
    """Decide whether to refund what is left of a payment: not once it is disputed, nor so long after the warning."""
    if is_disputed or not warning.is_actionable or now - warning.warned_at > refund_within:
        return WarningDecision.LEAVE
    match payment.status:
        case PaymentStatus.SUCCEEDED:
            return WarningDecision.REFUND if payment.amount_refundable else WarningDecision.LEAVE
        case PaymentStatus.FAILED | PaymentStatus.CANCELED:
            return WarningDecision.LEAVE
        case (
            PaymentStatus.REQUESTED
            | PaymentStatus.PROCESSING
            | PaymentStatus.REQUIRES_ACTION
            | PaymentStatus.AUTHORIZED
        ):
            return WarningDecision.WAIT
        case _:
            assert_never(payment.status)
