"""Our rows as values: what is known of a payment and of a refund."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from payment_worker.domain.payment import PaymentStatus
from payment_worker.domain.refund import RefundStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A payment as recorded. Amounts in minor units of `currency`."""

    payment_id: UUID
    order_id: UUID
    customer_id: UUID | None
    version: int
    """Raised by every write to the row: two readers with the same version know the same."""
    status: PaymentStatus
    amount: int
    currency: str
    amount_authorized: int = 0
    amount_captured: int = 0
    amount_refunded: int = 0
    amount_refund_reserved: int = 0
    """What refunds that may still succeed, or have, hold of the captured amount."""
    is_disputed: bool = False
    """Whether a dispute that is open or lost holds its money, so that nothing can be refunded."""
    failure_reason: str | None = None
    decline_code: str | None = None
    advice_code: str | None = None
    """What the issuer advises after a decline: Stripe's word."""
    retries: int = 0
    """How often it was tried again after a decline."""
    capture_before: datetime | None = None
    """When the issuer lets go what was authorised, as far as Stripe tells."""
    action_url: str | None = None
    """Where its customer has to be sent, while it waits for them and it is a redirect."""
    cancellation_reason: str | None = None
    """Why it is canceled, or why it was asked to be: Stripe's word or the caller's."""
    stripe_account: str | None = None
    stripe_payment_intent_id: str | None = None
    stripe_charge_id: str | None = None

    @property
    def amount_refundable(self) -> int:
        """What further refunds may take."""
        return self.amount_captured - self.amount_refund_reserved

    @property
    def payment_intent(self) -> str:
        """Stripe's id of its PaymentIntent, for what can only be asked of a payment that has one."""
        if self.stripe_payment_intent_id is None:
            raise AssertionError("Stripe has not shown a PaymentIntent of this payment yet")
        return self.stripe_payment_intent_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """A refund as recorded. Amount in minor units of `currency`."""

    refund_id: UUID
    payment_id: UUID
    version: int
    status: RefundStatus
    amount: int
    currency: str
    reason: str | None = None
    failure_reason: str | None = None
    stripe_refund_id: str | None = None
