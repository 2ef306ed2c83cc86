"""Balance transactions: every movement of the balance; fees are 2.9 % + 30 minor units, as Stripe's in the US."""

from typing import Any

from payment_worker.simulator.api import pagination
from payment_worker.simulator.api.errors import invalid_request, no_such
from payment_worker.simulator.resources.lookup import found
from payment_worker.simulator.state import Context, Json

_FEE_DESCRIPTIONS = {"adjustment": "Dispute fee"}
_REPORTING_CATEGORIES = {
    "adjustment": "dispute",
    "payment": "charge",
    "payment_refund": "refund",
    "payment_failure_refund": "refund_failure",
    "application_fee": "platform_earning",
    "application_fee_refund": "platform_earning_refund",
    "transfer_refund": "transfer_reversal",
    "payout_cancel": "payout_reversal",
    "payout_failure": "payout_reversal",
}
"""Where it is not the type itself; https://docs.stripe.com/reports/reporting-categories."""
_INCOME = ("charge", "payment")
"""These become available only later; everything else moves the available balance at once."""


def charge_fee(amount: int) -> int:
    """What Stripe keeps of a charge, in minor units."""
    return (amount * 29 + 500) // 1000 + 30


def book(
    context: Context,
    *,
    amount: int,
    fee: int,
    currency: str,
    kind: str,
    source: str | None,
    why: str | None,
    reporting_category: str | None = None,
    application_fee: int = 0,
) -> str:
    """Move the balance by `amount - fee - application_fee` minor units; the id of the balance transaction.

    In the currency that this one settles in: the amounts are exchanged then.
    """
    account, settings = context.account, context.state.settings
    currency, rate = account.exchange.get(currency, (currency, None))
    if rate is not None:
        amount, fee, application_fee = (round(each * rate) for each in (amount, fee, application_fee))
    wait = settings.balance_available_delay_seconds if kind in _INCOME else 0.0
    record: Json = {
        "id": context.new_id("txn_3"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": context.now + int(wait),
        "balance_type": "payments",
        "created": context.now,
        "currency": currency,
        "description": why,
        "exchange_rate": rate,
        "fee": fee + application_fee,
        "fee_details": _fee_details(fee, application_fee, currency, kind),
        "net": amount - fee - application_fee,
        "reporting_category": reporting_category or _REPORTING_CATEGORIES.get(kind, kind),
        "source": source,
        "status": "pending",
        "type": kind,
    }
    account.balance_transactions[record["id"]] = record
    account.pending[currency] += record["net"]
    if wait:
        context.schedule(wait, lambda then: _become_available(then, record))
    else:
        _become_available(context, record)
    return str(record["id"])


def _fee_details(fee: int, application_fee: int, currency: str, kind: str) -> list[Json]:
    stripes = {
        "amount": fee,
        "application": None,
        "currency": currency,
        "description": _FEE_DESCRIPTIONS.get(kind, "Stripe processing fees"),
        "type": "stripe_fee",
    }
    platforms = {
        "amount": application_fee,
        "application": "ca_simulator",
        "currency": currency,
        "description": "Application fee",
        "type": "application_fee",
    }
    return [detail for detail in (platforms, stripes) if detail["amount"]]


def _become_available(context: Context, record: Json) -> None:
    account, currency = context.account, record["currency"]
    record["status"] = "available"
    account.pending[currency] -= record["net"]
    account.available[currency] += record["net"]
    account.unpaid.setdefault(currency, []).append(record["id"])
    if context.state.settings.payout_interval_seconds is not None and not account.is_payout_scheduled:
        account.is_payout_scheduled = True
        context.schedule(context.state.settings.payout_interval_seconds, context.state.pay_out)


def retrieve(context: Context, object_id: str, _params: dict[str, Any]) -> Json:
    """The balance transaction of that id."""
    return found(context, context.account.balance_transactions, object_id, "balance transaction")


def list_transactions(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """A page of balance transactions, by source, type or currency, or those of an automatic payout."""
    return pagination.page(
        _of_payout(context, params["payout"]) if "payout" in params else context.account.balance_transactions,
        params,
        kind="balance transaction",
        url="/v1/balance_transactions",
        equal=("source", "type", "currency"),
    )


def _of_payout(context: Context, payout_id: str) -> dict[str, Json]:
    payout = context.account.payouts.get(payout_id)
    if payout is None:
        raise no_such("payout", payout_id, param="payout")
    if not payout["automatic"]:
        raise invalid_request(
            "Balance transaction history can only be filtered on automatic payouts, not manual.",
            param="payout",
        )
    members = {*context.account.payout_members[payout_id], payout["balance_transaction"]}
    # In order of creation, as every list is.
    return {name: record for name, record in context.account.balance_transactions.items() if name in members}
