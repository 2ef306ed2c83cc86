"""What we ask of Stripe: path and parameters, made once and stored with their key before anything is sent."""

import json
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Request:
    """A POST as it will be sent, and sent again."""

    path: str
    parameters: str
    """JSON text."""


def charge_request(  # noqa: PLR0913 - a charge has these parts
    *,
    payment_id: UUID,
    order_id: UUID,
    amount: int,
    currency: str,
    payment_method: str,
    capture_method: str,
    stripe_customer: str | None = None,
    description: str | None = None,
    statement_descriptor_suffix: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Request:
    """Create and confirm a PaymentIntent in one call, with the customer away."""
    return _request(
        "/v1/payment_intents",
        {
            "amount": amount,
            "currency": currency.lower(),
            "payment_method": payment_method,
            "customer": stripe_customer,
            "confirm": True,
            "off_session": True,
            # No redirect: nobody is there to follow it.
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            # Without it Stripe captures by itself, asynchronously: its default, and the quicker one.
            "capture_method": "manual" if capture_method == "manual" else None,
            "description": description,
            "statement_descriptor_suffix": statement_descriptor_suffix,
            "metadata": {"order_id": str(order_id), **(metadata or {}), "payment_id": str(payment_id)},
        },
    )


def refund_request(
    *, refund_id: UUID, payment_id: UUID, stripe_payment_intent_id: str, amount: int, reason: str | None
) -> Request:
    """Refund so much of a PaymentIntent."""
    return _request(
        "/v1/refunds",
        {
            "payment_intent": stripe_payment_intent_id,
            "amount": amount,
            "reason": reason,
            "metadata": {"payment_id": str(payment_id), "refund_id": str(refund_id)},
        },
    )


def _request(path: str, parameters: dict[str, object]) -> Request:
    given = {name: value for name, value in parameters.items() if value is not None}
    return Request(path, json.dumps(given, separators=(",", ":"), sort_keys=True))
