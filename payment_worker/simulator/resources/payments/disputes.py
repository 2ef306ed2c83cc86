"""Disputes: opened by the bank, answered with evidence, won or lost."""

from typing import Any

from payment_worker.simulator.api import pagination
from payment_worker.simulator.api.errors import invalid_request
from payment_worker.simulator.api.parameters.metadata import merged_metadata
from payment_worker.simulator.resources.balance.balance_transactions import book
from payment_worker.simulator.resources.events import emit
from payment_worker.simulator.resources.lookup import found
from payment_worker.simulator.resources.payments.early_fraud_warnings import close_warnings
from payment_worker.simulator.state import Context, Json, change

FEE = 1_500
_EVIDENCE_SECONDS = 9 * 86_400
STATUSES = (
    "appeal_needs_response", "appeal_under_review", "lost", "needs_response", "prevented",
    "under_review", "warning_closed", "warning_needs_response", "warning_under_review", "won",
)  # fmt: skip
APPEALS = ("appeal_needs_response", "appeal_under_review")
"""What a loss alone may be followed by: the money stays away until it is decided again."""
CLOSED = ("lost", "prevented", "warning_closed", "won")
GIVEN_BACK = ("prevented", "won")
"""The money comes back: it was no dispute in the end, or none of the customer's."""
_NO_EVIDENCE: Json = dict.fromkeys(
    (
        "access_activity_log", "billing_address", "cancellation_policy",
        "cancellation_policy_disclosure", "cancellation_rebuttal", "customer_communication",
        "customer_email_address", "customer_name", "customer_purchase_ip", "customer_signature",
        "duplicate_charge_documentation", "duplicate_charge_explanation", "duplicate_charge_id",
        "product_description", "receipt", "refund_policy", "refund_policy_disclosure",
        "refund_refusal_explanation", "service_date", "service_documentation", "shipping_address",
        "shipping_carrier", "shipping_date", "shipping_documentation", "shipping_tracking_number",
        "uncategorized_file", "uncategorized_text",
    )
)  # fmt: skip


def open_dispute(
    context: Context,
    charge: Json,
    *,
    reason: str = "fraudulent",
    status: str = "needs_response",
    amount: int | None = None,
) -> Json:
    """The customer's bank disputes a charge; an inquiry (`warning_…`) moves no money yet."""
    inquiry = status.startswith("warning")
    disputed = charge["amount_captured"] - charge["amount_refunded"] if amount is None else amount
    object_id = context.new_id("du_1")
    record = _dispute(context, charge, object_id, reason=reason, status=status, amount=disputed)
    context.account.disputes[object_id] = record
    context.object_id = object_id
    previous = change(charge, disputed=True)
    emit(context, "charge.updated", charge, previous)
    emit(context, "charge.dispute.created", record)
    close_warnings(context, charge)
    if not inquiry:
        _move_funds(context, record, -disputed, FEE, "charge.dispute.funds_withdrawn")
    if status in CLOSED:
        emit(context, "charge.dispute.closed", record)
    return record


def _dispute(
    context: Context, charge: Json, object_id: str, *, reason: str, status: str, amount: int
) -> Json:
    inquiry = status.startswith("warning")
    card = charge["payment_method_details"].get("card", {"brand": "visa"})
    kind = {
        "brand": card["brand"],
        "case_type": "inquiry" if inquiry else "chargeback",
        "network": card["brand"],
    }
    return {
        "id": object_id,
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": context.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**_NO_EVIDENCE, "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": context.now + _EVIDENCE_SECONDS,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": inquiry,
        "livemode": charge["livemode"],
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {"card": {**kind, "network_reason_code": "10.4"}, "type": "card"},
        "reason": reason,
        "status": status,
    }


def _move_funds(context: Context, record: Json, amount: int, fee: int, kind: str) -> None:
    transaction = book(
        context,
        amount=amount,
        fee=fee,
        currency=record["currency"],
        kind="adjustment",
        reporting_category="dispute" if amount < 0 else "dispute_reversal",
        source=record["id"],
        why=f"Chargeback of {record['charge']}",
    )
    moved = dict(context.account.balance_transactions[transaction])
    previous = change(record, balance_transactions=[*record["balance_transactions"], moved])
    emit(context, kind, record, previous)


def refundable(context: Context, charge: Json) -> bool:
    """Whether no dispute stands in the way of a refund."""
    if not charge["disputed"]:
        return True
    mine = (record for record in context.account.disputes.values() if record["charge"] == charge["id"])
    return all(record["is_charge_refundable"] for record in mine)


def move(
    context: Context, record: Json, *, status: str | None, evidence: Json | None, metadata: Json | None
) -> Json:
    """Change an open dispute, or appeal a lost one. Raises RequestError for a closed one or an unknown status."""
    is_appealed = record["status"] == "lost" and status in APPEALS
    if record["status"] in CLOSED and not is_appealed:
        raise invalid_request(f"This dispute has a status of {record['status']}: it is closed.", is_kept=True)
    if status is not None and status not in STATUSES:
        raise invalid_request(f"Invalid status: must be one of {', '.join(STATUSES)}", param="status")
    inquiry_became_dispute = record["status"].startswith("warning") and status in (
        "needs_response",
        "under_review",
    )
    details = record["evidence_details"]
    if evidence is not None:
        count = details["submission_count"] + 1
        submitted = {"has_evidence": True, "submission_count": count, "submission_method": "manual"}
        details = {**details, **submitted}
    reviewed = "appeal_under_review" if record["status"] in APPEALS else "under_review"
    new_status = status or (reviewed if evidence is not None else record["status"])
    previous = change(
        record,
        status=new_status,
        evidence={**record["evidence"], **(evidence or {})},
        evidence_details=details,
        metadata=merged_metadata(record["metadata"], metadata),
        is_charge_refundable=new_status.startswith("warning") or new_status in GIVEN_BACK,
    )
    context.object_id = record["id"]
    emit(context, "charge.dispute.updated", record, previous)
    if inquiry_became_dispute:
        _move_funds(context, record, -record["amount"], FEE, "charge.dispute.funds_withdrawn")
    return record


def finish(context: Context, record: Json, status: str) -> Json:
    """The bank decided: won and prevented give the money back, lost does not. Raises RequestError for a closed one."""
    if status not in CLOSED:
        raise invalid_request(f"Invalid status: must be one of {', '.join(CLOSED)}", param="status")
    if record["status"] in CLOSED:
        raise invalid_request(f"This dispute has a status of {record['status']}: it is closed.", is_kept=True)
    previous = change(record, status=status, is_charge_refundable=status != "lost")
    context.object_id = record["id"]
    emit(context, "charge.dispute.closed", record, previous)
    if status in GIVEN_BACK and record["balance_transactions"]:
        _move_funds(context, record, record["amount"], 0, "charge.dispute.funds_reinstated")
    return record


def retrieve(context: Context, object_id: str, _params: dict[str, Any]) -> Json:
    """The dispute of that id."""
    return found(context, context.account.disputes, object_id, "dispute")


def update(context: Context, object_id: str, params: dict[str, Any]) -> Json:
    """Submit evidence or change metadata."""
    record = retrieve(context, object_id, {})
    return move(
        context, record, status=None, evidence=params.get("evidence"), metadata=params.get("metadata")
    )


def close(context: Context, object_id: str, _params: dict[str, Any]) -> Json:
    """Accept that it is lost."""
    return finish(context, retrieve(context, object_id, {}), "lost")


def list_disputes(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """A page of disputes, of one charge or PaymentIntent if wanted."""
    return pagination.page(
        context.account.disputes,
        params,
        kind="dispute",
        url="/v1/disputes",
        equal=("charge", "payment_intent"),
    )
