"""Payouts: the available balance sent to the bank, by request or by itself, paid or failed."""

from typing import Any

from payment_worker.simulator.api import pagination
from payment_worker.simulator.api.errors import invalid_request
from payment_worker.simulator.api.parameters.metadata import merged_metadata
from payment_worker.simulator.resources.balance.balance_transactions import book
from payment_worker.simulator.resources.events import emit
from payment_worker.simulator.resources.lookup import found
from payment_worker.simulator.resources.payments.currencies import checked_currency, format_amount
from payment_worker.simulator.state import Context, Json, change

_FAILURES = {
    "account_closed": "The bank account has been closed.",
    "could_not_process": "The bank could not process this payout.",
    "insufficient_funds": "Your Stripe account has insufficient funds to cover the payout.",
    "no_account": "The bank account could not be located.",
}


def create(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """A payout by request. Raises RequestError when more is asked for than is available."""
    currency = checked_currency(params["currency"])
    amount, available = params["amount"], context.account.available.get(currency, 0)
    if amount < 1:
        raise invalid_request("Invalid positive integer", param="amount", code="parameter_invalid_integer")
    if amount > available:
        raise invalid_request(
            f"You have insufficient funds in your Stripe account: {format_amount(available, currency)}"
            " is available.",
            code="balance_insufficient",
            is_kept=True,
        )
    return _send(context, amount, currency, params, members=None)


def create_automatic(context: Context) -> None:
    """A payout of all that is available, in each currency."""
    account = context.account
    account.is_payout_scheduled = False
    for currency, members in account.unpaid.items():
        amount = account.available[currency]
        if amount > 0:
            account.unpaid[currency] = []
            record = _send(context, amount, currency, {}, members=members)
            # The payout's own transaction belongs to this payout, not to the next.
            account.unpaid[currency].remove(record["balance_transaction"])


def _send(
    context: Context, amount: int, currency: str, params: dict[str, Any], *, members: list[str] | None
) -> Json:
    settings = context.state.settings
    record: Json = {
        "id": context.new_id("po_1"),
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": context.now + int(settings.payout_arrival_delay_seconds),
        "automatic": members is not None,
        "balance_transaction": None,
        "created": context.now,
        "currency": currency,
        "description": params.get("description", "STRIPE PAYOUT" if members is not None else None),
        "destination": "ba_1simulator",
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": context.account.livemode,
        "metadata": merged_metadata({}, params.get("metadata")),
        "method": params.get("method", "standard"),
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "not_applicable" if members is None else "completed",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": params.get("statement_descriptor"),
        "status": "pending",
        "trace_id": None,
        "type": "bank_account",
    }
    context.account.payouts[record["id"]] = record
    if members is not None:
        context.account.payout_members[record["id"]] = members
    record["balance_transaction"] = _book(context, record, -amount, "payout")
    context.object_id = record["id"]
    emit(context, "payout.created", record)
    if members is not None:
        emit(context, "payout.reconciliation_completed", record)
    context.schedule(settings.payout_arrival_delay_seconds, lambda then: arrive(then, record))
    return record


def _book(context: Context, record: Json, amount: int, kind: str) -> str:
    return book(
        context,
        amount=amount,
        fee=0,
        currency=record["currency"],
        kind=kind,
        source=record["id"],
        why=record["description"],
    )


def arrive(context: Context, record: Json) -> None:
    """The bank has it; nothing if it failed or was canceled before."""
    if record["status"] == "pending":
        previous = change(record, status="paid")
        emit(context, "payout.updated", record, previous)
        emit(context, "payout.paid", record)


def fail(context: Context, record: Json, *, code: str = "account_closed") -> Json:
    """The bank sent it back, perhaps days after it was paid: it is available again."""
    if record["status"] not in ("pending", "paid"):
        raise invalid_request(f"This payout has a status of {record['status']} and cannot fail.")
    previous = change(
        record,
        status="failed",
        failure_balance_transaction=_book(context, record, record["amount"], "payout_failure"),
        failure_code=code,
        failure_message=_FAILURES.get(code, "The payout failed."),
    )
    emit(context, "payout.updated", record, previous)
    emit(context, "payout.failed", record)
    return record


def cancel(context: Context, object_id: str, _params: dict[str, Any]) -> Json:
    """Call back a payout by request that has not arrived. Raises RequestError for any other."""
    record = retrieve(context, object_id, {})
    if record["status"] != "pending" or record["automatic"]:
        raise invalid_request(
            "Payouts can only be canceled while they are pending, and not if they are automatic.",
            is_kept=True,
        )
    change(
        record,
        status="canceled",
        failure_balance_transaction=_book(context, record, record["amount"], "payout_cancel"),
    )
    emit(context, "payout.canceled", record)
    return record


def retrieve(context: Context, object_id: str, _params: dict[str, Any]) -> Json:
    """The payout of that id."""
    return found(context, context.account.payouts, object_id, "payout")


def update(context: Context, object_id: str, params: dict[str, Any]) -> Json:
    """Change its metadata."""
    record = retrieve(context, object_id, {})
    previous = change(record, metadata=merged_metadata(record["metadata"], params.get("metadata")))
    emit(context, "payout.updated", record, previous)
    return record


def list_payouts(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """A page of payouts, by status, destination or day of arrival if wanted."""
    arrival = params.get("arrival_date", {})
    return pagination.page(
        context.account.payouts,
        params,
        kind="payout",
        url="/v1/payouts",
        equal=("status", "destination"),
        keep=lambda record: pagination.is_within(record["arrival_date"], arrival),
    )
