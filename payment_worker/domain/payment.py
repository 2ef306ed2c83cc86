"""The state machine of payments: statuses, triggers, and the next status for each.

Theory of operation. A payment begins as REQUESTED: accepted by us, without a known response from Stripe.
Snapshots of its PaymentIntent move it by the table below, and only by it: a pair that is not in the table
changes nothing. SUCCEEDED and CANCELED are final, as they are at Stripe, so a snapshot that shows them can be
late but never wrong. FAILED is not final: Stripe leaves a declined PaymentIntent open, and a retry may succeed.
A retry is also possible while a payment waits for its customer, for instance with another card.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID


class PaymentStatus(StrEnum):
    """The states of a payment. REQUESTED, SUCCEEDED and FAILED are the event catalogue's own words."""

    REQUESTED = "REQUESTED"
    PROCESSING = "PROCESSING"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    AUTHORIZED = "AUTHORIZED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class PaymentTrigger(StrEnum):
    """What a snapshot of its PaymentIntent, or a request for another attempt, says about a payment."""

    STARTED = "processing_started"
    ACTION_REQUIRED = "action_required"
    AUTHORIZED = "authorized"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    RETRIED = "retry_requested"


PAYMENT_TRANSITIONS: Mapping[PaymentStatus, Mapping[PaymentTrigger, PaymentStatus]] = MappingProxyType(
    {
        PaymentStatus.REQUESTED: {
            PaymentTrigger.STARTED: PaymentStatus.PROCESSING,
            PaymentTrigger.ACTION_REQUIRED: PaymentStatus.REQUIRES_ACTION,
            PaymentTrigger.AUTHORIZED: PaymentStatus.AUTHORIZED,
            PaymentTrigger.SUCCEEDED: PaymentStatus.SUCCEEDED,
            PaymentTrigger.FAILED: PaymentStatus.FAILED,
            PaymentTrigger.CANCELED: PaymentStatus.CANCELED,
        },
        PaymentStatus.PROCESSING: {
            PaymentTrigger.ACTION_REQUIRED: PaymentStatus.REQUIRES_ACTION,
            PaymentTrigger.AUTHORIZED: PaymentStatus.AUTHORIZED,
            PaymentTrigger.SUCCEEDED: PaymentStatus.SUCCEEDED,
            PaymentTrigger.FAILED: PaymentStatus.FAILED,
            PaymentTrigger.CANCELED: PaymentStatus.CANCELED,
        },
        PaymentStatus.REQUIRES_ACTION: {
            PaymentTrigger.RETRIED: PaymentStatus.REQUESTED,
            PaymentTrigger.STARTED: PaymentStatus.PROCESSING,
            PaymentTrigger.AUTHORIZED: PaymentStatus.AUTHORIZED,
            PaymentTrigger.SUCCEEDED: PaymentStatus.SUCCEEDED,
            PaymentTrigger.FAILED: PaymentStatus.FAILED,
            PaymentTrigger.CANCELED: PaymentStatus.CANCELED,
        },
        PaymentStatus.AUTHORIZED: {
            PaymentTrigger.SUCCEEDED: PaymentStatus.SUCCEEDED,
            PaymentTrigger.CANCELED: PaymentStatus.CANCELED,
        },
        PaymentStatus.FAILED: {
            PaymentTrigger.RETRIED: PaymentStatus.REQUESTED,
            PaymentTrigger.STARTED: PaymentStatus.PROCESSING,
            PaymentTrigger.ACTION_REQUIRED: PaymentStatus.REQUIRES_ACTION,
            PaymentTrigger.AUTHORIZED: PaymentStatus.AUTHORIZED,
            PaymentTrigger.SUCCEEDED: PaymentStatus.SUCCEEDED,
            PaymentTrigger.CANCELED: PaymentStatus.CANCELED,
        },
        PaymentStatus.SUCCEEDED: {},
        PaymentStatus.CANCELED: {},
    }
)

FINAL = frozenset({PaymentStatus.SUCCEEDED, PaymentStatus.CANCELED})
"""Final statuses."""

CAPTURING = frozenset({PaymentStatus.AUTHORIZED, PaymentStatus.SUCCEEDED, PaymentStatus.CANCELED})
"""Statuses in which something may have been captured: before the last of several captures too, or instead of it."""

STATUS_OF_PAYMENT: Mapping[PaymentTrigger, PaymentStatus] = MappingProxyType(
    {
        PaymentTrigger.STARTED: PaymentStatus.PROCESSING,
        PaymentTrigger.ACTION_REQUIRED: PaymentStatus.REQUIRES_ACTION,
        PaymentTrigger.AUTHORIZED: PaymentStatus.AUTHORIZED,
        PaymentTrigger.SUCCEEDED: PaymentStatus.SUCCEEDED,
        PaymentTrigger.FAILED: PaymentStatus.FAILED,
        PaymentTrigger.CANCELED: PaymentStatus.CANCELED,
    }
)
"""The state of a payment whose PaymentIntent shows this."""

UNTOUCHED = frozenset(
    {
        PaymentStatus.REQUESTED,
        PaymentStatus.REQUIRES_ACTION,
        PaymentStatus.FAILED,
        PaymentStatus.CANCELED,
    }
)
"""States of a payment whose PaymentIntent may show nothing at all yet, as while its customer is yet to pay."""

FINAL_TRIGGERS = frozenset({PaymentTrigger.SUCCEEDED, PaymentTrigger.CANCELED})
"""Triggers that show a final status of a PaymentIntent, so a snapshot of it cannot be out of date."""


def shows_status(status: PaymentStatus, trigger: PaymentTrigger | None) -> bool:
    """Whether a PaymentIntent that shows this is one of a payment in this state."""
    return status in UNTOUCHED if trigger is None else STATUS_OF_PAYMENT[trigger] is status


def next_status(status: PaymentStatus, trigger: PaymentTrigger) -> PaymentStatus:
    """Where the trigger leads; the same status where it changes nothing."""
    return PAYMENT_TRANSITIONS[status].get(trigger, status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A payment as recorded. Amounts in minor units of `currency`."""

    payment_id: UUID
    order_id: str
    customer_id: str | None
    version: int
    """Raised by every write to the row: two readers with the same version know the same."""
    status: PaymentStatus
    amount: int
    currency: str
    amount_authorized: int = 0
    """What was held for captures, whatever of it was captured since."""
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
    """How often it was retried after a decline."""
    capture_before: datetime | None = None
    """When the issuer releases the authorisation, if Stripe says so."""
    action_url: str | None = None
    """Where its customer has to be sent, while it waits for them and it is a redirect."""
    cancellation_reason: str | None = None
    """Why it is canceled, or was requested to be: Stripe's reason or the app's."""
    stripe_account: str = ""
    application_fee_amount: int | None = None
    """The application fee that the platform requested (Connect)."""
    transfer_destination: str | None = None
    """The connected account to which Stripe transfers it, if requested."""
    transfer_amount: int | None = None
    """How much of it; None: all."""
    stripe_payment_intent_id: str | None = None
    stripe_charge_id: str | None = None

    @property
    def amount_refundable(self) -> int:
        """What further refunds may take."""
        return self.amount_captured - self.amount_refund_reserved

    @property
    def amount_held(self) -> int:
        """What captures may still take of an authorisation."""
        return max(0, self.amount_authorized - self.amount_captured)

    @property
    def payment_intent(self) -> str:
        """Stripe's id of its PaymentIntent, for actions that need one."""
        if self.stripe_payment_intent_id is None:
            raise AssertionError("Stripe has not shown a PaymentIntent of this payment yet")
        return self.stripe_payment_intent_id
