"""The ledger: how much money moved, per PaymentIntent and in sum."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from payment_worker.simulator.resources.payments.disputes import GIVEN_BACK
from payment_worker.simulator.state import Account, State

Json = dict[str, Any]

_SUMMED = ("captured", "refunded", "disputed", "effects", "refund_count")
_STANDING = ("pending", "requires_action", "succeeded")
"""Refunds that have taken their amount and not given it back."""
_INQUIRY = "warning"


def ledger(
    state: State,
    *,
    account_id: str | None,
    livemode: bool,
    intent_id: str | None,
    metadata: Mapping[str, str],
    by: str | None,
) -> Json:
    """The lines of all matching PaymentIntents, totals by currency, and by a metadata name if asked."""
    lines = [
        _line(state, account, intent)
        for account in state.accounts.values()
        if account_id in (None, account.id) and account.livemode is livemode
        for intent in _chosen(account, intent_id)
        if metadata.items() <= intent["metadata"].items()
    ]
    out: Json = {"payment_intents": lines, "totals": _summed(lines, lambda line: str(line["currency"]))}
    if by is not None:
        out["by"] = _summed(lines, lambda line: str(line["metadata"].get(by, "")))
    return out


def _chosen(account: Account, intent_id: str | None) -> Iterable[Json]:
    if intent_id is None:
        return account.payment_intents.values()
    return [account.payment_intents[intent_id]] if intent_id in account.payment_intents else []


def _line(state: State, account: Account, intent: Json) -> Json:
    charges = [account.charges[charge] for charge in account.charges_of.get(intent["id"], ())]
    taken = [charge for charge in charges if charge["status"] == "succeeded"]
    refunds = [
        account.refunds[refund] for charge in charges for refund in account.refunds_of.get(charge["id"], ())
    ]
    standing = [refund for refund in refunds if refund["status"] in _STANDING]
    ids = {charge["id"] for charge in taken if charge["disputed"]}
    disputed = (
        dispute["amount"]
        for dispute in (account.disputes.values() if ids else ())
        if dispute["charge"] in ids
        and dispute["status"] not in GIVEN_BACK
        and not dispute["status"].startswith(_INQUIRY)
    )
    return {
        "id": intent["id"],
        "account": account.id,
        "metadata": intent["metadata"],
        "customer": intent["customer"],
        "created": intent["created"],
        "status": intent["status"],
        "amount": intent["amount"],
        "currency": intent["currency"],
        "authorized": intent["amount_capturable"],
        "captured": sum(charge["amount_captured"] for charge in taken),
        "refunded": sum(refund["amount"] for refund in standing),
        "refund_pending": sum(refund["amount"] for refund in standing if refund["status"] != "succeeded"),
        "disputed": sum(disputed),
        **_split(state, account, taken),
        "attempts": len(charges),
        "effects": len(taken),
        "refund_count": len(standing),
        "refunds": [
            {name: refund[name] for name in ("id", "amount", "status", "metadata")} for refund in refunds
        ],
    }


def _split(state: State, account: Account, charges: Iterable[Json]) -> Json:
    """What of charges went to the platform and to connected accounts, less what was taken back."""
    platform = state.accounts.get((account.platform, account.livemode))
    ids = {charge["application_fee"] for charge in charges}
    fees = [fee for name, fee in (platform.application_fees if platform else {}).items() if name in ids]
    transfers = [account.transfers[charge["transfer"]] for charge in charges if charge.get("transfer")]
    return {
        "application_fee": sum(fee["amount"] - fee["amount_refunded"] for fee in fees),
        "transferred": sum(transfer["amount"] - transfer["amount_reversed"] for transfer in transfers),
    }


def _summed(lines: Iterable[Json], key: Callable[[Json], str]) -> dict[str, Json]:
    sums: dict[str, Json] = {}
    for line in lines:
        into = sums.setdefault(key(line), dict.fromkeys(("payment_intents", *_SUMMED), 0))
        into["payment_intents"] += 1
        for name in _SUMMED:
            into[name] += line[name]
    return sums
