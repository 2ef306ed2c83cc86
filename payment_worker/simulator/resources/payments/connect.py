"""Connect: what a platform keeps of a charge, what is transferred to a connected account, and both taken back."""

from typing import Any

from payment_worker.simulator.api import pagination
from payment_worker.simulator.api.errors import invalid_request, no_such
from payment_worker.simulator.resources.balance.balance_transactions import book
from payment_worker.simulator.resources.events import emit
from payment_worker.simulator.resources.lookup import found
from payment_worker.simulator.state import Context, Json, change

APPLICATION = "ca_simulator"


def check(context: Context, params: dict[str, Any]) -> None:
    """Raises RequestError where Stripe would not split a payment so."""
    fee, transfer = params.get("application_fee_amount"), params.get("transfer_data") or {}
    if fee is not None and _is_platform(context) and "destination" not in transfer:
        raise invalid_request(
            "Can only apply an application_fee_amount when the PaymentIntent is attempting a direct payment (using an "
            "OAuth key or Stripe-Account header) or destination payment (using `transfer_data[destination]`).",
            param="application_fee_amount",
        )
    if fee is not None and "amount" in transfer:
        raise invalid_request(
            "You may not provide the application_fee_amount parameter and the transfer_data[amount] parameter "
            "simultaneously."
        )
    for name, part in (("application_fee_amount", fee), ("transfer_data[amount]", transfer.get("amount"))):
        if part is not None and not 0 <= part <= params["amount"]:
            raise invalid_request(f"{name} must be at most the amount of the PaymentIntent.", param=name)
    for name, account in (
        ("on_behalf_of", params.get("on_behalf_of")),
        ("transfer_data[destination]", transfer.get("destination")),
    ):
        if account in context.state.disconnected:
            raise no_such("destination", account, param=name)


def terms(params: dict[str, Any]) -> Json:
    """What a PaymentIntent says of how it is split."""
    transfer = params.get("transfer_data")
    return {
        "application_fee_amount": params.get("application_fee_amount"),
        "on_behalf_of": params.get("on_behalf_of"),
        "transfer_data": None if transfer is None else {"amount": None, **transfer},
        "transfer_group": params.get("transfer_group"),
    }


def application_fee_of(context: Context, charge: Json) -> int:
    """What the platform takes of a direct charge, as a part of the fee on the connected account."""
    return 0 if _is_platform(context) else _fee(charge)


def split(context: Context, charge: Json) -> None:
    """Take the platform's fee of what was captured, and transfer what is to be transferred."""
    transfer = charge["transfer_data"]
    if transfer is not None:
        _transfer(context, charge, transfer)
    elif charge["application_fee_amount"] and not _is_platform(context):
        platform = _on(context, context.account.platform)
        _take_fee(platform, charge, account=context.account.id, charged=charge["id"])


def _fee(charge: Json) -> int:
    return min(charge["application_fee_amount"] or 0, int(charge["amount_captured"]))


def _is_platform(context: Context) -> bool:
    return context.account.id in context.state.platforms


def _on(context: Context, account_id: str) -> Context:
    return Context(context.state, context.state.account(account_id, livemode=context.account.livemode))


def _booked(context: Context, amount: int, currency: str, kind: str, source: str, *, fee: int = 0) -> str:
    return book(
        context,
        amount=amount,
        fee=0,
        application_fee=fee,
        currency=currency,
        kind=kind,
        source=source,
        why=None,
    )


def _transfer(context: Context, charge: Json, terms: Json) -> None:
    captured, currency = int(charge["amount_captured"]), charge["currency"]
    amount = min(captured if terms["amount"] is None else terms["amount"], captured)
    there = _on(context, terms["destination"])
    transfer_id, payment_id = context.new_id("tr_3"), there.new_id("py_1")
    group = charge["transfer_group"] or f"group_{charge['payment_intent']}"
    record: Json = {
        "id": transfer_id,
        "object": "transfer",
        "amount": amount,
        "amount_reversed": 0,
        "balance_transaction": _booked(context, -amount, currency, "transfer", transfer_id),
        "created": context.now,
        "currency": currency,
        "description": None,
        "destination": there.account.id,
        "destination_payment": payment_id,
        "livemode": charge["livemode"],
        "metadata": {},
        "reversals": _none(f"/v1/transfers/{transfer_id}/reversals"),
        "reversed": False,
        "source_transaction": charge["id"],
        "source_type": "card",
        "transfer_group": group,
    }
    context.account.transfers[transfer_id] = record
    charge |= {"transfer": transfer_id, "transfer_group": group}
    payment = {
        **charge,
        "id": payment_id,
        "amount": amount,
        "amount_captured": amount,
        "application_fee_amount": charge["application_fee_amount"],
        "balance_transaction": _booked(there, amount, currency, "payment", payment_id, fee=_fee(charge)),
        "customer": None,
        "metadata": {},
        "payment_intent": None,
        "source_transfer": transfer_id,
        "transfer_data": None,
    }
    payment.pop("transfer")
    there.account.charges[payment_id] = payment
    emit(context, "transfer.created", record)
    if charge["application_fee_amount"]:
        change(
            payment, application_fee=_take_fee(context, charge, account=there.account.id, charged=payment_id)
        )


def _none(url: str) -> Json:
    return {"object": "list", "data": [], "has_more": False, "url": url}


def _take_fee(platform: Context, charge: Json, *, account: str, charged: str) -> str:
    fee_id = platform.new_id("fee_1")
    amount, currency = _fee(charge), charge["currency"]
    record: Json = {
        "id": fee_id,
        "object": "application_fee",
        "account": account,
        "amount": amount,
        "amount_refunded": 0,
        "application": APPLICATION,
        "balance_transaction": _booked(platform, amount, currency, "application_fee", fee_id),
        "charge": charged,
        "created": platform.now,
        "currency": currency,
        "fee_source": {"charge": charged, "type": "charge"},
        "livemode": charge["livemode"],
        "originating_transaction": charge["id"] if charged != charge["id"] else None,
        "refunded": False,
        "refunds": _none(f"/v1/application_fees/{fee_id}/refunds"),
    }
    platform.account.application_fees[fee_id] = record
    change(charge, application=APPLICATION, application_fee=fee_id)
    emit(platform, "application_fee.created", record)
    return fee_id


def check_refund(charge: Json, params: dict[str, Any]) -> None:
    """Raises RequestError where there is nothing that could be taken back with a refund."""
    if params.get("reverse_transfer") and charge.get("transfer") is None:
        raise invalid_request(
            f"Cannot reverse transfer on charge: {charge['id']} because it does not have an associated transfer.",
            param="reverse_transfer",
            is_kept=True,
        )
    if params.get("refund_application_fee") and charge["application_fee"] is None:
        raise invalid_request(
            f"Charge {charge['id']} has no application fee to refund.",
            param="refund_application_fee",
            is_kept=True,
        )


def take_back(context: Context, charge: Json, refund: Json, params: dict[str, Any]) -> None:
    """Reverse the transfer and give back the fee, as far as the refund asks, in proportion to its amount."""
    if params.get("reverse_transfer"):
        change(refund, transfer_reversal=_reverse(context, charge, refund))
    if params.get("refund_application_fee"):
        _give_fee_back(context, charge, refund)


def _share(whole: int, taken_back: int, charge: Json, refund: Json) -> int:
    """The refund's part of a whole; the rest of it where nothing is left of the charge."""
    if charge["amount_refunded"] == charge["amount_captured"]:
        return whole - taken_back
    return min(int(whole * refund["amount"] // charge["amount_captured"]), whole - taken_back)


def _reverse(context: Context, charge: Json, refund: Json) -> str:
    transfer = context.account.transfers[charge["transfer"]]
    there, currency = _on(context, transfer["destination"]), transfer["currency"]
    amount = _share(transfer["amount"], transfer["amount_reversed"], charge, refund)
    reversal_id = context.new_id("trr_1")
    reversal: Json = {
        "id": reversal_id,
        "object": "transfer_reversal",
        "amount": amount,
        "balance_transaction": _booked(context, amount, currency, "transfer_refund", reversal_id),
        "created": context.now,
        "currency": currency,
        "destination_payment_refund": there.new_id("pyr_1"),
        "metadata": {},
        "source_refund": refund["id"],
        "transfer": transfer["id"],
    }
    _booked(there, -amount, currency, "payment_refund", reversal["destination_payment_refund"])
    reversed_now = transfer["amount_reversed"] + amount
    reversals = {**transfer["reversals"], "data": [reversal, *transfer["reversals"]["data"]]}
    previous = change(
        transfer,
        amount_reversed=reversed_now,
        reversed=reversed_now == transfer["amount"],
        reversals=reversals,
    )
    emit(context, "transfer.reversed", transfer, previous)
    return reversal_id


def _give_fee_back(context: Context, charge: Json, refund: Json) -> None:
    platform = context if _is_platform(context) else _on(context, context.account.platform)
    fee = platform.account.application_fees[charge["application_fee"]]
    amount, currency = _share(fee["amount"], fee["amount_refunded"], charge, refund), fee["currency"]
    refund_id = platform.new_id("fr_1")
    given: Json = {
        "id": refund_id,
        "object": "fee_refund",
        "amount": amount,
        "balance_transaction": _booked(platform, -amount, currency, "application_fee_refund", refund_id),
        "created": platform.now,
        "currency": currency,
        "fee": fee["id"],
        "metadata": {},
    }
    _booked(_on(context, fee["account"]), amount, currency, "application_fee_refund", refund_id)
    refunds = {**fee["refunds"], "data": [given, *fee["refunds"]["data"]]}
    refunded = fee["amount_refunded"] + amount
    previous = change(fee, amount_refunded=refunded, refunded=refunded == fee["amount"], refunds=refunds)
    emit(platform, "application_fee.refunded", fee, previous)


def retrieve_transfer(context: Context, object_id: str, _params: dict[str, Any]) -> Json:
    """The transfer of that id."""
    return found(context, context.account.transfers, object_id, "transfer")


def list_transfers(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """A page of transfers, to one account or of one group if wanted."""
    return pagination.page(
        context.account.transfers,
        params,
        kind="transfer",
        url="/v1/transfers",
        equal=("destination", "transfer_group"),
    )


def retrieve_fee(context: Context, object_id: str, _params: dict[str, Any]) -> Json:
    """The application fee of that id."""
    return found(context, context.account.application_fees, object_id, "application fee")


def list_fees(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """A page of application fees, of one charge if wanted."""
    return pagination.page(
        context.account.application_fees,
        params,
        kind="application fee",
        url="/v1/application_fees",
        equal=("charge",),
    )
