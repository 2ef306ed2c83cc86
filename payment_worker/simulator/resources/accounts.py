"""The account of an API key."""

from typing import Any

from payment_worker.simulator.state import Context, Json


def retrieve(context: Context, _object_id: str, _params: dict[str, Any]) -> Json:
    """The account whose key was sent, or that `Stripe-Account` names."""
    return {
        "id": context.account.id,
        "object": "account",
        "business_profile": None,
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": "US",
        "default_currency": "usd",
        "details_submitted": True,
        "email": "simulator@example.com",
        "payouts_enabled": True,
        "settings": None,
        "type": "standard",
    }
