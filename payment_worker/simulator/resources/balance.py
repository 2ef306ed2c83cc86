"""Balance transactions and the account's balance; fees are 2.9 % + 30 minor units, as Stripe's in the US."""

from typing import Any

from payment_worker.simulator.api import pagination
from payment_worker.simulator.api.errors import no_such
from payment_worker.simulator.state import Context, Json

_SETTLES_AFTER_SECONDS = 2 * 86_400
_DESCRIPTIONS = {"charge": "Stripe processing fees", "adjustment": "Dispute fee"}


def charge_fee(amount: int) -> int:
    """What Stripe keeps of a charge, in minor units."""
    return (amount * 29 + 500) // 1000 + 30


def book(
    context: Context, *, amount: int, fee: int, currency: str, kind: str, source: str, why: str | None
) -> str:
    """Move the balance by `amount - fee` minor units; the id of the balance transaction."""
    fees = [
        {
            "amount": fee,
            "application": None,
            "currency": currency,
            "description": _DESCRIPTIONS.get(kind),
            "type": "stripe_fee",
        }
    ]
    record: Json = {
        "id": context.new_id("txn_3"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": context.now + _SETTLES_AFTER_SECONDS,
        "balance_type": "payments",
        "created": context.now,
        "currency": currency,
        "description": why,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": fees if fee else [],
        "net": amount - fee,
        "reporting_category": "dispute" if kind == "adjustment" else kind,
        "source": source,
        "status": "pending",
        "type": kind,
    }
    account = context.account
    account.balance_transactions[record["id"]] = record
    account.balance[currency] = account.balance.get(currency, 0) + amount - fee
    return str(record["id"])


def retrieve_transaction(context: Context, object_id: str, _params: dict[str, Any]) -> Json:
    """The balance transaction of that id."""
    if object_id not in context.account.balance_transactions:
        raise no_such("balance transaction", object_id, param="id", status=404)
    return context.account.balance_transactions[object_id]


def list_transactions(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """A page of balance transactions, by source, type or currency if wanted."""
    wanted = {name: params[name] for name in ("source", "type", "currency") if name in params}
    return pagination.page(
        context.account.balance_transactions,
        params,
        kind="balance transaction",
        url="/v1/balance_transactions",
        keep=lambda record: all(record[name] == value for name, value in wanted.items()),
    )


def retrieve_balance(context: Context, _object_id: str, _params: dict[str, Any]) -> Json:
    """All money in all currencies; the simulator pays nothing out, so it stays pending."""
    held = context.account.balance or {"usd": 0}
    pending = [
        {"amount": amount, "currency": currency, "source_types": {"card": amount}}
        for currency, amount in sorted(held.items())
    ]
    available = [
        {"amount": 0, "currency": currency, "source_types": {"card": 0}} for currency in sorted(held)
    ]
    return {
        "object": "balance",
        "available": available,
        "livemode": context.account.livemode,
        "pending": pending,
    }


def retrieve_account(context: Context, _object_id: str, _params: dict[str, Any]) -> Json:
    """The account that asks."""
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
