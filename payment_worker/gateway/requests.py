"""Builds the path and parameters of each request to Stripe, which are stored before they are sent."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from uuid import UUID

OWN_ORDER_ID: Final = "payment_worker_order_id"
"""The key of our order id in the metadata of a PaymentIntent whose caller says `order_id` in words of their own.

Callers may use no key that begins so.
"""

MAC: Final = "payment_worker_mac"
"""The key of the MAC in the metadata of our objects (`domain/metadata_mac.py`)."""

_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), sort_keys=True)


@dataclass(frozen=True, slots=True)
class Request:
    """A POST as it will be sent, and sent again."""

    path: str
    parameters: str
    """JSON text."""


def charge_request(  # noqa: PLR0913 - a charge has these parts
    *,
    payment_id: UUID,
    order_id: str,
    amount: int,
    currency: str,
    payment_method: str | None,
    capture_method: str,
    stripe_customer: str | None = None,
    off_session: bool = True,
    multicapture: bool = False,
    passed_on: Mapping[str, object] = MappingProxyType({}),
    metadata: dict[str, str] | None = None,
    mac: str,
) -> Request:
    """Create and confirm a PaymentIntent in one call.

    Args:
        passed_on: further parameters under Stripe's own names, such as those of Connect.
    """
    return _request(
        "/v1/payment_intents",
        {
            "amount": amount,
            "currency": currency.lower(),
            "payment_method": payment_method,
            "customer": stripe_customer,
            "confirm": True,
            "off_session": True if off_session else None,
            # No redirect in an off-session payment, or without a URL to return to.
            "automatic_payment_methods": {
                "enabled": True,
                "allow_redirects": "always" if "return_url" in passed_on else "never",
            },
            # Without it Stripe captures by itself, asynchronously: its default, and the quicker one.
            "capture_method": "manual" if capture_method == "manual" else None,
            "payment_method_options": {"card": {"request_multicapture": "if_available"}}
            if multicapture
            else None,
            # The charge says until when it can be captured.
            "expand": ["latest_charge"] if capture_method == "manual" else None,
            **passed_on,
            "metadata": {**_metadata(metadata or {}, payment_id=payment_id, order_id=order_id), MAC: mac},
        },
    )


def _metadata(metadata: Mapping[str, str], *, payment_id: UUID, order_id: str) -> Mapping[str, str]:
    """What the caller gave, and what names the payment again should its row be lost.

    A caller who says `order_id` in words of their own keeps them, and ours stands beside them.
    """
    own_order_id = {OWN_ORDER_ID: order_id} if "order_id" in metadata else {}
    return {"order_id": order_id, **metadata, **own_order_id, "payment_id": str(payment_id)}


CANCELLATION_REASONS: Final = frozenset({"abandoned", "duplicate", "fraudulent", "requested_by_customer"})
"""The reasons that Stripe accepts."""


def capture_request(*, stripe_payment_intent_id: str, amount: int, is_final: bool = True) -> Request:
    """Take so much of what is authorised; Stripe lets go the rest if it is the final capture."""
    return _request(
        f"/v1/payment_intents/{stripe_payment_intent_id}/capture",
        {"amount_to_capture": amount, "final_capture": None if is_final else False},
    )


def cancel_request(*, stripe_payment_intent_id: str, reason: str | None) -> Request:
    """Cancel a PaymentIntent and release its authorisation. The reason is sent if Stripe accepts it."""
    accepted_reason = reason if reason in CANCELLATION_REASONS else None
    return _request(
        f"/v1/payment_intents/{stripe_payment_intent_id}/cancel", {"cancellation_reason": accepted_reason}
    )


def retry_request(
    *, stripe_payment_intent_id: str, payment_method: str, last_confirmation: Mapping[str, object]
) -> Request:
    """Confirm a PaymentIntent again, as it was confirmed. After a decline it has no payment method any more.

    Args:
        last_confirmation: its parameters. Its mandate is of its payment method and of no other.
    """
    same_method = last_confirmation.get("payment_method") == payment_method
    return _request(
        f"/v1/payment_intents/{stripe_payment_intent_id}/confirm",
        {
            "payment_method": payment_method,
            "off_session": last_confirmation.get("off_session"),
            "return_url": last_confirmation.get("return_url"),
            "mandate": last_confirmation.get("mandate") if same_method else None,
            "mandate_data": last_confirmation.get("mandate_data") if same_method else None,
            "expand": ["latest_charge"],
        },
    )


def refund_request(
    *,
    refund_id: UUID,
    payment_id: UUID,
    stripe_payment_intent_id: str,
    amount: int,
    reason: str | None,
    reverse_transfer: bool = False,
    refund_application_fee: bool = False,
    mac: str,
) -> Request:
    """Refund so much of a PaymentIntent."""
    return _request(
        "/v1/refunds",
        {
            "payment_intent": stripe_payment_intent_id,
            "amount": amount,
            "reason": reason,
            "reverse_transfer": reverse_transfer or None,
            "refund_application_fee": refund_application_fee or None,
            "metadata": {"payment_id": str(payment_id), "refund_id": str(refund_id), MAC: mac},
        },
    )


def _request(path: str, parameters: dict[str, object]) -> Request:
    set_parameters = {name: value for name, value in parameters.items() if value is not None}
    return Request(path, _ENCODER.encode(set_parameters))
