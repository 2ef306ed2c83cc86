"""Invariants of the lifecycle: no request lost, no status stuck, history and messages complete and in order."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final
from uuid import UUID

from payment_worker.devstack.chaos.checker.invariant import RunResult, Violation
from payment_worker.devstack.chaos.checker.records import Records, Row
from payment_worker.devstack.chaos.workload.generator import PlannedRequest
from payment_worker.flows.commands.refund_suspected import refund_id_of

AT_REST: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "AUTHORIZED", "REQUIRES_ACTION", "PROCESSED"})
"""Statuses in which a payment or refund may stay until somebody acts."""

_MESSAGE_OF: Final[Mapping[tuple[str, str], str]] = {
    ("payment", "SUCCEEDED"): "PaymentSucceeded",
    ("payment", "FAILED"): "PaymentFailed",
    ("payment", "AUTHORIZED"): "PaymentAuthorized",
    ("payment", "CANCELED"): "PaymentCanceled",
    ("payment", "REQUIRES_ACTION"): "PaymentActionRequired",
    ("payment", "PROCESSING"): "PaymentProcessing",
    ("payment", "REQUESTED"): "PaymentRequested",
    ("refund", "PENDING"): "RefundPending",
    ("refund", "PROCESSED"): "RefundProcessed",
    ("refund", "FAILED"): "RefundFailed",
    ("refund", "CANCELED"): "RefundFailed",
    ("dispute", "NEEDS_RESPONSE"): "DisputeOpened",
    ("dispute", "WON"): "DisputeClosed",
    ("dispute", "LOST"): "DisputeClosed",
    ("dispute", "PREVENTED"): "DisputeClosed",
}
"""The message that each transition of a payment, refund or dispute must publish."""


def lost(result: RunResult) -> Iterator[Violation]:
    """Requests without a row or a response, and objects at Stripe without a row."""
    records = result.records
    recorded = records.payments.keys() | records.refunds.keys()
    for request in result.workload.charges + result.workload.refunds:
        if request.request_id not in recorded:
            yield Violation(request.payment_id, f"{request.task} {request.request_id} has no row")
    for request in result.workload.changes:
        if not _is_resolved(records, request):
            yield Violation(
                request.payment_id, f"{request.task} {request.request_id} was never executed or rejected"
            )
    planned = {request.request_id for request in result.workload.requests}
    adopted = {row["stripe_refund_id"] for row in records.refunds.values() if not row["fingerprint"]}
    by_policy = {str(refund_id_of(UUID(row["payment"]), name)) for name, row in records.warnings.items()}
    known = planned | adopted | by_policy
    for request_id in (records.intents_of.keys() | records.stripe_refunds_of.keys()) - known:
        yield Violation(request_id, "Stripe has an object that was never requested and has no row")


def _is_resolved(records: Records, request: PlannedRequest) -> bool:
    """Whether the change was attempted, rejected, or is a no-op in the payment's status."""
    attempted = any(
        row["task_request_id"] == request.request_id
        for row in records.attempts_of.get(request.payment_id, [])
    )
    no_op = request.is_no_op(records.payments.get(request.payment_id, {}).get("status"))
    return attempted or no_op or request.request_id in records.rejected


def stuck(result: RunResult) -> Iterator[Violation]:
    """Payments and refunds whose status is not final."""
    for payment_id, row in result.records.payments.items():
        if row["status"] not in AT_REST:
            yield Violation(payment_id, f"payment is still {row['status']}")
    for refund_id, row in result.records.refunds.items():
        if row["status"] not in AT_REST and not awaits_its_payment(result.records, row):
            yield Violation(row["payment"], f"refund {refund_id} is still {row['status']}")


def awaits_its_payment(records: Records, refund: Row) -> bool:
    """Whether a refund may wait: its payment needs the customer's action, or the last of several captures."""
    waits = refund["status"] == "REQUESTED" and refund["waits_until"] is not None
    return waits and records.payments[refund["payment"]]["status"] in {"REQUIRES_ACTION", "AUTHORIZED"}


def history_broken(result: RunResult) -> Iterator[Violation]:
    """Histories whose rows do not form a chain that ends in the current status."""
    records = result.records
    for payment_id, rows in records.history_of.items():
        statuses: dict[str, str | None] = {}
        for row in rows:
            if row["from_status"] != statuses.get(row["subject"]):
                yield Violation(payment_id, f"history of {row['subject']} jumps to {row['to_status']}")
            statuses[row["subject"]] = row["to_status"]
        for subject, status in statuses.items():
            current = (
                records.payments.get(subject) or records.refunds.get(subject) or records.disputes[subject]
            )
            if current["status"] != status:
                yield Violation(
                    payment_id, f"history of {subject} ends with {status}, not {current['status']}"
                )
    for payment_id in records.payments.keys() - records.history_of.keys():
        yield Violation(payment_id, "has no history")


def messages_missing(result: RunResult) -> Iterator[Violation]:
    """Transitions without a message, and messages without a transition."""
    for payment_id in result.records.payments:
        expected, published = Counter(_expected(result, payment_id)), Counter(_published(result, payment_id))
        if expected != published:
            missing, unexpected = (
                sorted((expected - published).elements()),
                sorted((published - expected).elements()),
            )
            yield Violation(payment_id, f"messages missing: {missing}, unexpected: {unexpected}")


def messages_out_of_order(result: RunResult) -> Iterator[Violation]:
    """Messages in another order than their transitions, or an outcome before its request."""
    for payment_id in result.records.payments:
        expected, published = _expected(result, payment_id), _published(result, payment_id)
        if expected != published and Counter(expected) == Counter(published):
            yield Violation(payment_id, f"messages should be {expected} and were {published}")
        seen: set[str] = set()
        for message in result.published.get(payment_id, []):
            if message.type == "RefundRequested" and message.subject in seen:
                yield Violation(payment_id, f"RefundRequested of {message.subject} came after its outcome")
            if message.type != "RequestRejected":
                # A refund that came before its charge is rejected, and sent again.
                seen.add(message.subject)


def _expected(result: RunResult, payment_id: str) -> list[tuple[str, str]]:
    rows = result.records.history_of.get(payment_id, [])
    return [(message, row["subject"]) for row in rows for message in _messages_of(row)]


def _messages_of(row: Row) -> Iterator[str]:
    message = _MESSAGE_OF.get((row["kind"], row["to_status"]))
    if message == "DisputeClosed" and row["from_status"] is None:
        yield "DisputeOpened"  # a bank debit that is taken back is lost when it begins
    if message:
        yield message


def _published(result: RunResult, payment_id: str) -> list[tuple[str, str]]:
    """Messages about transitions; RefundRequested follows none, since a waiting refund is requested later or never."""
    return [
        (message.type, message.subject)
        for message in result.published.get(payment_id, [])
        if message.type not in {"RefundRequested", "RequestRejected", "PaymentSuspected"}
    ]
