"""Balance transactions and the account's balance; fees are Stripe's 2.9 % + 30 minor units."""

from typing import Any

from payment_worker.simulator.api import listing
from payment_worker.simulator.api.refusals import no_such
from payment_worker.simulator.world import Act, Json

_SETTLES_AFTER_SECONDS = 2 * 86_400
_DESCRIPTIONS = {"charge": "Stripe processing fees", "adjustment": "Dispute fee"}


def charge_fee(amount: int) -> int:
    """What Stripe keeps of a charge, in minor units."""
    return (amount * 29 + 500) // 1000 + 30


def book(act: Act, *, amount: int, fee: int, currency: str, kind: str, source: str, why: str | None) -> str:
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
        "id": act.new_id("txn_3"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": act.now + _SETTLES_AFTER_SECONDS,
        "balance_type": "payments",
        "created": act.now,
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
    account = act.account
    account.balance_transactions[record["id"]] = record
    account.balance[currency] = account.balance.get(currency, 0) + amount - fee
    return str(record["id"])


def retrieve_transaction(act: Act, object_id: str, _params: dict[str, Any]) -> Json:
    """The balance transaction of that id."""
    if object_id not in act.account.balance_transactions:
        raise no_such("balance transaction", object_id, param="id", status=404)
    return act.account.balance_transactions[object_id]


def list_transactions(act: Act, _object_id: str, params: dict[str, Any]) -> Json:
    """A page of balance transactions, by source, type or currency if wanted."""
    wanted = {name: params[name] for name in ("source", "type", "currency") if name in params}
    return listing.page(
        act.account.balance_transactions,
        params,
        kind="balance transaction",
        url="/v1/balance_transactions",
        keep=lambda record: all(record[name] == value for name, value in wanted.items()),
    )


def retrieve_balance(act: Act, _object_id: str, _params: dict[str, Any]) -> Json:
    """All money in all currencies; the simulator pays nothing out, so it stays pending."""
    held = act.account.balance or {"usd": 0}
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
        "livemode": act.account.livemode,
        "pending": pending,
    }


def retrieve_account(act: Act, _object_id: str, _params: dict[str, Any]) -> Json:
    """The account that asks."""
    return {
        "id": act.account.id,
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
