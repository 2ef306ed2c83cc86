"""The data of each published message, in the form that the JSON Schemas in `schemas/` fix."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from functools import cache
from typing import Any, Final, cast
from uuid import UUID

from payment_worker.contracts.envelope import MessageType, rfc3339
from payment_worker.domain.attempts.declines import FailureReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message: its class names its type, and what is None is left out."""

    @property
    def message_type(self) -> MessageType:
        """Its name in the contract."""
        return cast("MessageType", type(self).__name__)

    def data(self, *, stripe_account: str = "") -> dict[str, object]:
        """Its data as JSON carries it; with the account of its payment, unless that is the default one."""
        values = {_camel_case(field.name): getattr(self, field.name) for field in fields(self)}
        if stripe_account:
            values["stripeAccount"] = stripe_account
        return {name: _plain(value) for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRequested(Message):
    """Amount in minor units."""

    payment_id: UUID
    order_id: str
    customer_id: str | None = None
    amount: int
    currency: str
    requested_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentAuthorized(Message):
    """Amount held, in minor units; the reference is Stripe's charge."""

    payment_id: UUID
    order_id: str
    amount: int
    amount_captured: int | None = None
    currency: str
    processor_reference: str | None = None
    authorized_at: datetime
    capture_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentActionRequired(Message):
    """The reference is Stripe's payment intent, never its client secret."""

    payment_id: UUID
    order_id: str
    action_url: str | None = None
    processor_reference: str | None = None
    required_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentProcessing(Message):
    """Amount asked for, in minor units; the reference is Stripe's payment intent."""

    payment_id: UUID
    order_id: str
    amount: int
    currency: str
    processor_reference: str | None = None
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSucceeded(Message):
    """The captured amount in minor units; the reference is Stripe's charge."""

    payment_id: UUID
    order_id: str
    amount: int
    currency: str
    processor_reference: str | None = None
    succeeded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFailed(Message):
    """The decline code is Stripe's; the reference its payment intent."""

    payment_id: UUID
    order_id: str
    reason: FailureReason
    decline_code: str | None = None
    processor_reference: str | None = None
    failed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentCanceled(Message):
    """Why it was canceled is Stripe's word or the caller's."""

    payment_id: UUID
    order_id: str
    reason: str | None = None
    canceled_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequested(Message):
    """Amount in minor units."""

    refund_id: UUID
    payment_id: UUID
    order_id: str | None = None
    amount: int
    currency: str
    reason: str | None = None
    requested_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundPending(Message):
    """Amount in minor units; the reason is Stripe's `pending_reason`."""

    refund_id: UUID
    payment_id: UUID
    order_id: str | None = None
    amount: int
    currency: str
    reason: str | None = None
    processor_reference: str | None = None
    pending_since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundProcessed(Message):
    """Amount in minor units; the reference is Stripe's refund."""

    refund_id: UUID
    payment_id: UUID
    order_id: str | None = None
    amount: int
    currency: str
    processor_reference: str | None = None
    processed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFailed(Message):
    """Amount in minor units; the reason is Stripe's word or ours."""

    refund_id: UUID
    payment_id: UUID
    order_id: str | None = None
    amount: int
    currency: str
    reason: str
    processor_reference: str | None = None
    failed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeOpened(Message):
    """Amount in minor units; id and reason are Stripe's."""

    dispute_id: str
    payment_id: UUID
    order_id: str | None = None
    amount: int
    currency: str
    reason: str | None = None
    evidence_due_by: datetime | None = None
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeClosed(Message):
    """Amount in minor units; the outcome is Stripe's status in upper case."""

    dispute_id: str
    payment_id: UUID
    order_id: str | None = None
    amount: int
    currency: str
    outcome: str
    closed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSuspected(Message):
    """Warning and type are Stripe's; the reference is its charge."""

    payment_id: UUID
    order_id: str
    warning_id: str
    fraud_type: str
    is_actionable: bool
    processor_reference: str | None = None
    suspected_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutPaid(Message):
    """Amount in minor units; the account is the connected one, if it is not our own."""

    payout_id: str
    stripe_account: str | None = None
    amount: int
    currency: str
    arrival_date: date
    paid_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutFailed(Message):
    """Amount in minor units; the reason is Stripe's failure code, or `canceled`."""

    payout_id: str
    stripe_account: str | None = None
    amount: int
    currency: str
    reason: str
    failed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRejected(Message):
    """Of the arguments' values it holds ids and nothing else."""

    request_id: UUID
    task: str
    payment_id: UUID | None = None
    refund_id: UUID | None = None
    order_id: str | None = None
    errors: Sequence[Mapping[str, str]]
    rejected_at: datetime


@cache
def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


_AS_TEXT: Final[Mapping[type, Callable[[Any], str]]] = {
    datetime: rfc3339,
    date: date.isoformat,
    UUID: str,
    FailureReason: str,
}


def _plain(value: object) -> object:
    as_text = _AS_TEXT.get(type(value))
    return as_text(value) if as_text else value
