"""Snapshots of Stripe objects as typed values.

An API response, a webhook, a polled event and a look-up all become a snapshot. `as_of_version` is the version that
our row had before the call to Stripe: if the row still has it when the snapshot is applied, nothing recorded is
newer. The snapshot in an event has none.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from payment_worker.domain.dispute import DisputeStatus
from payment_worker.domain.payment import FINAL_TRIGGERS, PaymentTrigger
from payment_worker.domain.refund import RefundTrigger


@dataclass(frozen=True, slots=True, kw_only=True)
class Decline:
    """Why a charge failed: Stripe's codes, and nothing of its text."""

    error_code: str | None = None
    decline_code: str | None = None
    advice_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What an object's metadata, which anybody may have written, call ours, beside what the object itself shows."""

    payment_id: object
    refund_id: object = None
    order_id: object = None
    mac: object = None
    amount: object
    currency: object


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentIntentSnapshot:
    """A PaymentIntent as Stripe showed it. Amounts in minor units; currency in upper case."""

    stripe_payment_intent_id: str
    trigger: PaymentTrigger | None
    """None: it exists and has no result yet."""
    amount: int
    currency: str
    amount_received: int = 0
    amount_capturable: int = 0
    stripe_charge_id: str | None = None
    decline: Decline | None = None
    payment_id: str | None = None
    """What its metadata call ours; likewise the order."""
    order_id: str | None = None
    mac: str | None = None
    """What proves it (`metadata_mac.py`)."""
    livemode: bool = False
    cancellation_reason: str | None = None
    capture_before: datetime | None = None
    """When the issuer lets go what was authorised."""
    application_fee_amount: int | None = None
    """What the platform keeps of it (Connect), and in the next two what is transferred to whom."""
    transfer_destination: str | None = None
    transfer_amount: int | None = None
    """None: all."""
    action_url: str | None = None
    """Where the customer has to be sent, if it is a redirect; never with a secret in it."""
    is_from_attempt: bool = False
    """Whether it is known to show the result of the unfinished attempt, and not an earlier state."""
    as_of_version: int | None = None

    @property
    def named(self) -> Named:
        """What it says it is."""
        return Named(
            payment_id=self.payment_id,
            order_id=self.order_id,
            mac=self.mac,
            amount=self.amount,
            currency=self.currency,
        )

    @property
    def is_final(self) -> bool:
        """Whether it shows a state that is never left, so that its age does not matter."""
        return self.trigger in FINAL_TRIGGERS

    def as_of(self, as_of_version: int) -> Self:
        """The same snapshot, retrieved when our row had this version."""
        return replace(self, as_of_version=as_of_version)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundSnapshot:
    """A Refund as Stripe showed it. Amount in minor units; currency in upper case."""

    stripe_refund_id: str
    trigger: RefundTrigger
    amount: int
    currency: str
    stripe_payment_intent_id: str | None = None
    stripe_charge_id: str | None = None
    failure_reason: str | None = None
    reason: str | None = None
    pending_reason: str | None = None
    """Why it is pending, in Stripe's word."""
    is_transfer_reversed: bool = False
    """Whether the refund's share of the transfer is reversed (Connect)."""
    refund_id: str | None = None
    """Our id in its metadata; None if it was made elsewhere, for instance in the dashboard."""
    payment_id: str | None = None
    mac: str | None = None
    """What proves it (`metadata_mac.py`)."""
    as_of_version: int | None = None
    """Our refund's version before the Refund was retrieved; None for a snapshot of unknown time."""

    def as_of(self, as_of_version: int | None) -> Self:
        """The same snapshot, retrieved when our refund had this version."""
        return replace(self, as_of_version=as_of_version)


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeSnapshot:
    """A Dispute as Stripe showed it. Amount in minor units; currency in upper case."""

    stripe_dispute_id: str
    status: DisputeStatus
    amount: int
    """Usually the charge's; another one where only a part is disputed, or the bank reckons in its own currency."""
    currency: str
    stripe_payment_intent_id: str | None = None
    stripe_charge_id: str | None = None
    reason: str | None = None
    evidence_due_by: datetime | None = None
    as_of_status: DisputeStatus | None = None
    """Our record's status before the dispute was retrieved; None for a snapshot of unknown time."""

    def as_of(self, as_of_status: DisputeStatus | None) -> Self:
        """The same snapshot, retrieved when our record had this status."""
        return replace(self, as_of_status=as_of_status)
