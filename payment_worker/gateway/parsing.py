"""Parses Stripe objects, as JSON of the pinned API version, into snapshots."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from payment_worker.domain.balance_transaction import BalanceTransaction, Source
from payment_worker.domain.dispute import DisputeStatus
from payment_worker.domain.early_fraud_warning import EarlyFraudWarning
from payment_worker.domain.payment import PaymentTrigger
from payment_worker.domain.refund import RefundTrigger
from payment_worker.domain.snapshots import (
    Decline,
    DisputeSnapshot,
    Named,
    PaymentIntentSnapshot,
    RefundSnapshot,
)
from payment_worker.gateway.fields import (
    amount,
    amount_if_any,
    currency,
    id_of,
    identity,
    instant,
    instant_if_any,
    signed_amount,
    text,
)
from payment_worker.gateway.requests import MAC, OWN_ORDER_ID

JSON = Mapping[str, Any]


class UnreadableError(Exception):
    """An object does not have the shape that the pinned API version gives it."""


@contextmanager
def parses(what: str = "") -> Iterator[None]:
    """As a decorator or in a `with`: raise one error for everything that JSON of another shape raises.

    Raises:
        UnreadableError: it names this kind of object, if given, and what was raised.
    """
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as fault:
        raise UnreadableError(": ".join(filter(None, (what, type(fault).__name__)))) from None


PAYMENT_TRIGGERS: Final[Mapping[str, PaymentTrigger | None]] = MappingProxyType(
    {
        "requires_payment_method": None,  # a decline if it has an error, else not yet anything
        "requires_confirmation": None,
        "requires_action": PaymentTrigger.ACTION_REQUIRED,
        "processing": PaymentTrigger.STARTED,
        "requires_capture": PaymentTrigger.AUTHORIZED,
        "succeeded": PaymentTrigger.SUCCEEDED,
        "canceled": PaymentTrigger.CANCELED,
    }
)

REFUND_TRIGGERS: Final[Mapping[str, RefundTrigger]] = MappingProxyType(
    {
        "pending": RefundTrigger.PENDED,
        "requires_action": RefundTrigger.ACTION_REQUIRED,
        "succeeded": RefundTrigger.SUCCEEDED,
        "failed": RefundTrigger.FAILED,
        "canceled": RefundTrigger.CANCELED,
    }
)


@parses("PaymentIntent")
def payment_intent_snapshot(intent: JSON) -> PaymentIntentSnapshot:
    """What a PaymentIntent shows.

    Raises:
        UnreadableError: it is no PaymentIntent of the pinned API version.
    """
    error, metadata = intent.get("last_payment_error"), intent.get("metadata") or {}
    transfer = intent.get("transfer_data") or {}
    received, capturable = _received(intent), amount(intent.get("amount_capturable") or 0)
    amount(received + capturable)  # together what was authorised
    return PaymentIntentSnapshot(
        stripe_payment_intent_id=identity(intent["id"]),
        trigger=_payment_trigger(intent["status"], error),
        amount=amount(intent["amount"]),
        currency=currency(intent["currency"]),
        amount_received=received,
        amount_capturable=capturable,
        stripe_charge_id=id_of(intent.get("latest_charge")),
        decline=decline_of(error) if error else None,
        payment_id=metadata.get("payment_id"),
        order_id=metadata.get(OWN_ORDER_ID) or metadata.get("order_id"),
        mac=metadata.get(MAC),
        livemode=bool(intent.get("livemode")),
        cancellation_reason=text(intent.get("cancellation_reason")),
        capture_before=_capture_before(intent.get("latest_charge")),
        application_fee_amount=amount_if_any(intent.get("application_fee_amount")),
        transfer_destination=id_of(transfer.get("destination")),
        transfer_amount=amount_if_any(transfer.get("amount")),
        action_url=_action_url(intent.get("next_action")),
    )


def named_in(body: JSON) -> Named:
    """What a PaymentIntent, or a charge, which has its metadata, says it is; of any API version."""
    metadata = body.get("metadata") or {}
    return Named(
        payment_id=metadata.get("payment_id"),
        order_id=metadata.get(OWN_ORDER_ID) or metadata.get("order_id"),
        mac=metadata.get(MAC),
        amount=body.get("amount"),
        currency=body.get("currency"),
    )


def _received(intent: JSON) -> int:
    """The captured amount. Stripe always sends it; a fake may leave it out if everything was captured."""
    received = intent.get("amount_received")
    if received is None and intent["status"] == "succeeded":
        received = intent["amount"]
    return amount(received or 0)


def _payment_trigger(status: str, error: JSON | None) -> PaymentTrigger | None:
    if status == "requires_payment_method" and error:
        # Off-session, Stripe reports a required authentication as a decline. It is none: the customer can act.
        needs_customer = error.get("code") == "authentication_required"
        return PaymentTrigger.ACTION_REQUIRED if needs_customer else PaymentTrigger.FAILED
    return PAYMENT_TRIGGERS[status]


def _capture_before(charge: object) -> datetime | None:
    """When the issuer lets the money go; known only where the charge stands in its PaymentIntent."""
    details = charge.get("payment_method_details") if isinstance(charge, Mapping) else None
    return instant_if_any((details.get(details.get("type")) or {}).get("capture_before")) if details else None


def _action_url(action: JSON | None) -> str | None:
    """Where the customer has to be sent. Some such addresses hold the client secret: those stay at Stripe."""
    redirect = (action or {}).get("redirect_to_url") or {}
    url = text(redirect.get("url"))
    return url if url and "secret" not in url else None


def decline_of(error: JSON) -> Decline:
    """The codes of a card error, from a response or from a PaymentIntent's `last_payment_error`."""
    return Decline(
        error_code=text(error.get("code")),
        decline_code=text(error.get("decline_code")),
        advice_code=text(error.get("advice_code")),
    )


@parses("Refund")
def refund_snapshot(refund: JSON) -> RefundSnapshot:
    """What a Refund shows.

    Raises:
        UnreadableError: it is no Refund of the pinned API version.
    """
    metadata = refund.get("metadata") or {}
    return RefundSnapshot(
        stripe_refund_id=identity(refund["id"]),
        trigger=REFUND_TRIGGERS[refund["status"]],
        amount=amount(refund["amount"]),
        currency=currency(refund["currency"]),
        stripe_payment_intent_id=id_of(refund.get("payment_intent")),
        stripe_charge_id=id_of(refund.get("charge")),
        failure_reason=text(refund.get("failure_reason")),
        reason=text(refund.get("reason")),
        pending_reason=text(refund.get("pending_reason")),
        is_transfer_reversed=refund.get("transfer_reversal") is not None,
        refund_id=metadata.get("refund_id"),
        payment_id=metadata.get("payment_id"),
        mac=metadata.get(MAC),
    )


@parses("Dispute")
def dispute_snapshot(dispute: JSON) -> DisputeSnapshot:
    """What a Dispute shows.

    Raises:
        UnreadableError: it is no Dispute of the pinned API version.
    """
    due_by = (dispute.get("evidence_details") or {}).get("due_by")
    return DisputeSnapshot(
        stripe_dispute_id=identity(dispute["id"]),
        status=DisputeStatus(dispute["status"].upper()),
        amount=amount(dispute["amount"]),
        currency=currency(dispute["currency"]),
        stripe_payment_intent_id=id_of(dispute.get("payment_intent")),
        stripe_charge_id=id_of(dispute.get("charge")),
        reason=text(dispute.get("reason")),
        evidence_due_by=instant_if_any(due_by),
    )


@parses("early fraud warning")
def early_fraud_warning_of(warning: JSON) -> EarlyFraudWarning:
    """What an early fraud warning shows.

    Raises:
        UnreadableError: it is no early fraud warning.
    """
    return EarlyFraudWarning(
        stripe_early_fraud_warning_id=identity(warning["id"]),
        fraud_type=text(warning["fraud_type"]) or "",
        is_actionable=bool(warning["actionable"]),
        warned_at=instant(warning["created"]),
        stripe_charge_id=id_of(warning.get("charge")),
        stripe_payment_intent_id=id_of(warning.get("payment_intent")),
    )


def balance_transaction_in(intent: JSON) -> BalanceTransaction | None:
    """What was booked of a PaymentIntent's charge, where both are expanded and it is known already."""
    charge = intent.get("latest_charge")
    transaction = charge.get("balance_transaction") if isinstance(charge, Mapping) else None
    return balance_transaction_of(transaction) if isinstance(transaction, Mapping) else None


@parses("balance transaction")
def balance_transaction_of(transaction: JSON) -> BalanceTransaction:
    """What a balance transaction says.

    Raises:
        UnreadableError: it is no balance transaction of the pinned API version.
    """
    source, rate = transaction.get("source"), transaction.get("exchange_rate")
    return BalanceTransaction(
        stripe_balance_transaction_id=identity(transaction["id"]),
        type=identity(transaction["type"]),
        status=identity(transaction["status"]),
        amount=signed_amount(transaction["amount"]),
        fee=signed_amount(transaction["fee"]),
        net=signed_amount(transaction["net"]),
        currency=currency(transaction["currency"]),
        exchange_rate=None if rate is None else Decimal(str(float(rate))),
        reporting_category=text(transaction.get("reporting_category")),
        source_id=id_of(source),
        source=_source(source) if isinstance(source, Mapping) else None,
        available_on=instant(transaction["available_on"]),
        created_at=instant(transaction["created"]),
    )


def _source(source: JSON) -> Source | None:
    """What is to be cleared by it, under the id by which our records know it."""
    kind = source.get("object")
    if kind not in {"charge", "refund", "dispute"}:
        return None
    object_id, payment_intent = identity(source["id"]), id_of(source.get("payment_intent"))
    is_captured = kind == "charge" and bool(source.get("amount_captured"))
    metadata = source.get("metadata") or {}
    return Source(
        object_id=(kind == "charge" and payment_intent) or object_id,
        amount=amount(source["amount_captured"] if is_captured else source["amount"]),
        currency=currency(source["currency"]),
        stripe_payment_intent_id=payment_intent,
        named_payment_id=text(metadata.get("payment_id")),
        is_signed=MAC in metadata,
    )
