"""Charges: one for each attempt to collect a payment."""

from typing import Any

from payment_worker.simulator.api import pagination
from payment_worker.simulator.resources.balance.balance_transactions import book, charge_fee
from payment_worker.simulator.resources.events import emit
from payment_worker.simulator.resources.lookup import found
from payment_worker.simulator.resources.payers.bank_debits import charge_details
from payment_worker.simulator.resources.payers.payment_methods import BILLING_DETAILS
from payment_worker.simulator.resources.payers.test_methods import Behaviour, Decline
from payment_worker.simulator.resources.payments import connect
from payment_worker.simulator.state import Context, Json, change

_UNAVAILABLE = {"status": "unavailable"}
_CHECKS = {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"}
_APPROVED: Json = {
    "advice_code": None, "network_advice_code": None, "network_decline_code": None,
    "network_status": "approved_by_network", "reason": None, "risk_level": "normal", "risk_score": 12,
    "seller_message": "Payment complete.", "type": "authorized",
}  # fmt: skip


_AS_NEW: Json = {
    "amount_captured": 0, "amount_refunded": 0, "application": None, "application_fee": None,
    "balance_transaction": None, "billing_details": BILLING_DETAILS,
    "calculated_statement_descriptor": "SIMULATOR", "captured": False, "disputed": False,
    "failure_balance_transaction": None, "failure_code": None, "failure_message": None, "fraud_details": {},
    "outcome": _APPROVED, "radar_options": {}, "receipt_number": None, "receipt_url": None, "refunded": False,
    "review": None, "source": None, "source_transfer": None, "statement_descriptor": None,
}  # fmt: skip
_OF_THE_INTENT = (
    "amount", "currency", "customer", "description", "livemode", "metadata", "receipt_email", "shipping",
    "statement_descriptor_suffix",
)  # fmt: skip
_OF_A_CONNECTED_INTENT = ("application_fee_amount", "on_behalf_of", "transfer_data", "transfer_group")


def new_charge(
    context: Context,
    intent: Json,
    method: Json,
    behaviour: Behaviour,
    *,
    status: str,
    mandate: str | None = None,
) -> Json:
    """A charge for what the PaymentIntent wants, kept in the account; the events are the caller's."""
    record: Json = {
        "id": context.new_id("ch_3"),
        "object": "charge",
        **_AS_NEW,
        **{name: intent[name] for name in _OF_THE_INTENT},
        **{name: intent.get(name) for name in _OF_A_CONNECTED_INTENT},
        "created": context.now,
        "paid": status == "succeeded",
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": _details(intent, behaviour, mandate),
        "status": status,
    }
    context.account.charges[record["id"]] = record
    context.account.charges_of.setdefault(intent["id"], []).append(record["id"])
    return record


def _details(intent: Json, behaviour: Behaviour, mandate: str | None) -> Json:
    if behaviour.kind != "card":
        return charge_details(behaviour, mandate)
    amount = intent["amount"]
    card = {
        "amount_authorized": amount, "authorization_code": "123456", "brand": behaviour.brand,
        "checks": _CHECKS, "country": "US", "exp_month": 12, "exp_year": 2034,
        "extended_authorization": {"status": "disabled"},
        "fingerprint": f"sim{behaviour.brand}{behaviour.last4}", "funding": "credit",
        "incremental_authorization": _UNAVAILABLE, "installments": None, "last4": behaviour.last4,
        "mandate": None, "multicapture": _UNAVAILABLE, "network": behaviour.brand,
        "network_token": {"used": False}, "network_transaction_id": "104105011108118",
        "overcapture": {"maximum_amount_capturable": amount, "status": "unavailable"},
        "regulated_status": "unregulated", "three_d_secure": None, "transaction_link_id": None,
        "wallet": None,
    }  # fmt: skip
    if intent["capture_method"] == "manual":
        card["capture_before"] = intent["created"] + 7 * 86_400
    return {"card": card, "type": "card"}


def decline(record: Json, why: Decline) -> Json:
    """The charge failed; the former values."""
    outcome = {
        "advice_code": why.advice_code,
        "network_advice_code": None,
        "network_decline_code": why.network_decline_code,
        "network_status": "not_sent_to_network" if why.blocked else "declined_by_network",
        "reason": "highest_risk_level" if why.blocked else why.decline_code,
        "risk_level": "highest" if why.blocked else "normal",
        "risk_score": 80 if why.blocked else 12,
        "seller_message": "Stripe blocked this payment."
        if why.blocked
        else "The bank declined this payment.",
        "type": "blocked" if why.blocked else "issuer_declined",
    }
    return change(
        record,
        status="failed",
        paid=False,
        failure_code=why.code,
        failure_message=why.message,
        outcome=outcome,
    )


def take(context: Context, record: Json, amount: int, *, at_once: bool, is_final: bool = True) -> None:
    """So much more of the money is ours now: booked at once, or a little later as `automatic_async` does."""
    change(record, captured=is_final, amount_captured=record["amount_captured"] + amount)
    if is_final:
        connect.split(context, record)
    if at_once:
        _book(context, record, amount)
        return

    def book_later(then: Context) -> None:
        previous = _book(then, record, amount)
        emit(then, "charge.updated", record, previous)

    context.schedule(context.state.settings.balance_transaction_delay_seconds, book_later)


def _book(context: Context, record: Json, amount: int) -> Json:
    transaction = book(
        context,
        amount=amount,
        fee=charge_fee(amount),
        application_fee=connect.application_fee_of(context, record),
        currency=record["currency"],
        kind="charge" if record["payment_method_details"]["type"] == "card" else "payment",
        source=record["id"],
        why=record["description"],
    )
    return change(record, balance_transaction=transaction)


def retrieve(context: Context, object_id: str, _params: dict[str, Any]) -> Json:
    """The charge of that id."""
    return found(context, context.account.charges, object_id, "charge")


def list_charges(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """A page of charges, of one PaymentIntent or customer if wanted."""
    account, intent = context.account, params.get("payment_intent")
    records = account.charges
    if intent is not None:
        records = {charge: account.charges[charge] for charge in account.charges_of.get(intent, ())}
    return pagination.page(
        records,
        params,
        kind="charge",
        url="/v1/charges",
        equal=("customer",),
    )
