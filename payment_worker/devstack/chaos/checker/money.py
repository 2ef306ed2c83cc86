"""Invariants of money: nothing charged or refunded twice, and our amounts and statuses equal Stripe's."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from payment_worker.devstack.chaos.checker.invariant import RunResult, Violation
from payment_worker.devstack.chaos.checker.lifecycle import awaits_its_payment
from payment_worker.devstack.chaos.checker.records import Records, Row
from payment_worker.devstack.chaos.workload.generator import ADOPTED_AS

PAYMENT_STATUS: Final[Mapping[str, str]] = {
    "succeeded": "SUCCEEDED",
    "requires_payment_method": "FAILED",
    "requires_action": "REQUIRES_ACTION",
    "requires_capture": "AUTHORIZED",
    "canceled": "CANCELED",
    "processing": "PROCESSING",
}
"""Our payment status for each status of Stripe's PaymentIntent."""

REFUND_STATUS: Final[Mapping[str, str]] = {
    "succeeded": "PROCESSED",
    "failed": "FAILED",
    "canceled": "CANCELED",
    "pending": "PENDING",
    "requires_action": "REQUIRES_ACTION",
}

_AUTHENTICATION: Final = "pm_card_authenticationRequired"
"""Stripe reports a failed attempt; our payment is REQUIRES_ACTION."""


def doubled(result: RunResult) -> Iterator[Violation]:
    """Requests for which money moved more than once."""
    records = result.records
    for payment_id, intents in records.intents_of.items():
        effects = sum(intent["effects"] for intent in intents)
        if effects > 1 or len(intents) > 1:
            yield Violation(payment_id, f"{effects} times charged, with {len(intents)} PaymentIntents")
        charged, attempted = (
            sum(intent["attempts"] for intent in intents),
            _charge_attempts(records, payment_id)
            + sum(ADOPTED_AS in intent["metadata"] for intent in intents),
        )
        if charged > attempted:
            yield Violation(payment_id, f"the issuer got {charged} charges for {attempted} attempts")
    for request in result.workload.refunds:
        made = records.stripe_refunds_of.get(request.request_id, [])
        if len(made) > 1:
            yield Violation(request.payment_id, f"refund {request.request_id} created {len(made)} times")


def _charge_attempts(records: Records, payment_id: str) -> int:
    """How many attempts Stripe may have executed, each of them once."""
    return sum(
        attempt["action"] in {"charge", "retry"} and attempt["status"] != "ABSENT"
        for attempt in records.attempts_of.get(payment_id, [])
    )


def forged(result: RunResult) -> Iterator[Violation]:
    """Payments that were given a PaymentIntent that a stranger made."""
    for payment_id, row in result.records.payments.items():
        if row["stripe_payment_intent_id"] in result.records.forged:
            yield Violation(
                payment_id, f"is paid by {row['stripe_payment_intent_id']}, which a stranger made"
            )


def over_refunded(result: RunResult) -> Iterator[Violation]:
    """More refunded than captured, at Stripe or in our rows."""
    for payment_id, intents in result.records.intents_of.items():
        for intent in intents:
            if intent["refunded"] > intent["captured"]:
                yield Violation(payment_id, f"Stripe refunded {intent['refunded']} of {intent['captured']}")
    for payment_id, row in result.records.payments.items():
        if row["amount_refunded"] > row["amount_captured"]:
            yield Violation(
                payment_id, f"our row says {row['amount_refunded']} refunded of {row['amount_captured']}"
            )


def charges_differ(result: RunResult) -> Iterator[Violation]:
    """Payments whose status or amounts differ from Stripe's."""
    for payment_id, row in result.records.payments.items():
        ours = (row["status"], row["amount_captured"], row["amount_refunded"])
        theirs = _payment_at_stripe(result.records.intents_of.get(payment_id, []), row)
        if ours != theirs:
            yield Violation(payment_id, f"payment is {ours} here and {theirs} at Stripe")


def _payment_at_stripe(intents: list[Row], row: Row) -> tuple[str, int, int]:
    if not intents:
        # It failed before Stripe made anything of it, or was canceled before its `not_before`.
        return ("CANCELED" if row["status"] == "CANCELED" else "FAILED", 0, 0)
    status = PAYMENT_STATUS.get(intents[-1]["status"], intents[-1]["status"])
    if status == "FAILED" and row["payment_method"] == _AUTHENTICATION:
        status = "REQUIRES_ACTION"
    captured = sum(intent["captured"] for intent in intents)
    return (status, captured, sum(intent["refunded"] for intent in intents))


def refunds_differ(result: RunResult) -> Iterator[Violation]:
    """Refunds whose status, amount or id differs from Stripe's."""
    for refund_id, row in result.records.refunds.items():
        # A refund made in the dashboard carries no refund_id in its metadata: Stripe's id identifies it.
        name = refund_id if row["fingerprint"] else row["stripe_refund_id"]
        made = result.records.stripe_refunds_of.get(name, [])
        ours = (row["status"], row["stripe_refund_id"], row["amount"])
        waits = awaits_its_payment(result.records, row)
        theirs = ("REQUESTED" if waits else "FAILED", None, row["amount"])
        if made:
            theirs = (REFUND_STATUS.get(made[-1]["status"], ""), made[-1]["id"], made[-1]["amount"])
        if ours != theirs:
            yield Violation(row["payment"], f"refund {refund_id} is {ours} here and {theirs} at Stripe")


def disputes_differ(result: RunResult) -> Iterator[Violation]:
    """Disputes without a row, or with another status or amount."""
    ours = {name: (row["status"], row["amount"]) for name, row in result.records.disputes.items()}
    theirs = {
        name: (dispute["status"].upper(), dispute["amount"])
        for name, dispute in result.records.stripe_disputes.items()
    }
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            yield Violation(
                _disputed_payment(result.records, name),
                f"dispute {name} is {ours.get(name)} here and {theirs.get(name)} at Stripe",
            )


def warnings_differ(result: RunResult) -> Iterator[Violation]:
    """Early fraud warnings without a row or another than Stripe's, or not told exactly once."""
    records = result.records
    published = (message for messages in result.published.values() for message in messages)
    told = Counter(message.subject for message in published if message.type == "PaymentSuspected")
    owners = {intent["id"]: owner for owner, intents in records.intents_of.items() for intent in intents}
    for name, theirs in records.stripe_warnings.items():
        owner = owners.get(theirs["payment_intent"])
        ours = records.warnings.get(name, {})
        if owner and (ours.get("is_actionable"), told[name]) != (theirs["actionable"], 1):
            here, there = ours.get("is_actionable"), theirs["actionable"]
            yield Violation(
                owner, f"warning {name} is {here} here and {there} at Stripe, published {told[name]} times"
            )


def _disputed_payment(records: Records, dispute_id: str) -> str:
    if dispute_id in records.disputes:
        return str(records.disputes[dispute_id]["payment"])
    intent = records.stripe_disputes[dispute_id]["payment_intent"]
    for payment_id, intents in records.intents_of.items():
        if any(each["id"] == intent for each in intents):
            return payment_id
    return ""
