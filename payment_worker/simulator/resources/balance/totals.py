"""Computes an account's balance by currency, available and pending."""

from typing import Any

from payment_worker.simulator.state import Context, Json


def retrieve(context: Context, _object_id: str, _params: dict[str, Any]) -> Json:
    """All money in all currencies: together the sum of every balance transaction's net."""
    account = context.account
    currencies = sorted(account.pending.keys() | account.available.keys()) or ["usd"]
    return {
        "object": "balance",
        "available": [_amount(account.available.get(currency, 0), currency) for currency in currencies],
        "livemode": account.livemode,
        "pending": [_amount(account.pending.get(currency, 0), currency) for currency in currencies],
    }


def _amount(amount: int, currency: str) -> Json:
    return {"amount": amount, "currency": currency, "source_types": {"card": amount}}
