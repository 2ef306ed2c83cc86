"""Charges about money: taken twice, given back too often, or booked otherwise than Stripe did."""

from collections.abc import Iterator, Mapping
from typing import Final

from payment_worker.devstack.chaos.course import waits_for_the_customer
from payment_worker.devstack.chaos.evidence import Breach, Evidence
from payment_worker.devstack.chaos.records import Records, Row

PAYMENT_STATUS: Final[Mapping[str, str]] = {
    "succeeded": "SUCCEEDED",
    "requires_payment_method": "FAILED",
    "requires_action": "REQUIRES_ACTION",
    "requires_capture": "AUTHORIZED",
    "canceled": "CANCELED",
    "processing": "PROCESSING",
}
"""What our row must say where Stripe's PaymentIntent says this."""

REFUND_STATUS: Final[Mapping[str, str]] = {
    "succeeded": "PROCESSED",
    "failed": "FAILED",
    "canceled": "CANCELED",
    "pending": "PENDING",
    "requires_action": "REQUIRES_ACTION",
}

AT_REST: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "AUTHORIZED", "REQUIRES_ACTION", "PROCESSED"})
"""Where a payment or refund may stay: nothing more comes of it without somebody doing something."""

_AUTHENTICATION: Final = "pm_card_authenticationRequired"
"""Stripe calls its refusal a failed attempt; for us the payment waits for the customer."""


def doubled(evidence: Evidence) -> Iterator[Breach]:
    """Money moved more than once for one request."""
    records = evidence.records
    for payment_id, intents in records.intents_of.items():
        effects = sum(intent["effects"] for intent in intents)
        if effects > 1 or len(intents) > 1:
            yield Breach(payment_id, f"{effects} times charged, with {len(intents)} PaymentIntents")
        charged, asked = sum(intent["attempts"] for intent in intents), _asked_to_charge(records, payment_id)
        if charged > asked:
            yield Breach(
                payment_id, f"the bank was asked {charged} times, and should have been {asked} times"
            )
    for ask in evidence.plan.refunds:
        made = records.stripe_refunds_of.get(ask.identity, [])
        if len(made) > 1:
            yield Breach(ask.payment_id, f"refund {ask.identity} made {len(made)} times")


def _asked_to_charge(records: Records, payment_id: str) -> int:
    """Attempts that Stripe may have executed: each of them once."""
    return sum(
        attempt["action"] in {"charge", "retry"} and attempt["status"] != "ABSENT"
        for attempt in records.attempts_of.get(payment_id, [])
    )


def over_refunded(evidence: Evidence) -> Iterator[Breach]:
    """More given back than was taken, in either book."""
    for payment_id, intents in evidence.records.intents_of.items():
        for intent in intents:
            if intent["refunded"] > intent["captured"]:
                yield Breach(payment_id, f"Stripe gave back {intent['refunded']} of {intent['captured']}")
    for payment_id, row in evidence.records.payments.items():
        if row["amount_refunded"] > row["amount_captured"]:
            yield Breach(payment_id, f"we noted {row['amount_refunded']} of {row['amount_captured']}")


def charges_differ(evidence: Evidence) -> Iterator[Breach]:
    """A payment whose status or amounts are not what Stripe says."""
    for payment_id, row in evidence.records.payments.items():
        ours = (row["status"], row["amount_captured"], row["amount_refunded"])
        theirs = _payment_at_stripe(evidence.records.intents_of.get(payment_id, []), row["payment_method"])
        if ours != theirs:
            yield Breach(payment_id, f"payment is {ours} here and {theirs} at Stripe")


def _payment_at_stripe(intents: list[Row], payment_method: str) -> tuple[str, int, int]:
    if not intents:
        return ("FAILED", 0, 0)
    status = PAYMENT_STATUS.get(intents[-1]["status"], intents[-1]["status"])
    if status == "FAILED" and payment_method == _AUTHENTICATION:
        status = "REQUIRES_ACTION"
    captured = sum(intent["captured"] for intent in intents)
    return (status, captured, sum(intent["refunded"] for intent in intents))


def refunds_differ(evidence: Evidence) -> Iterator[Breach]:
    """A refund whose status, amount or id is not what Stripe says."""
    for refund_id, row in evidence.records.refunds.items():
        # One that was made in the dashboard names none of ours: it is known by Stripe's id alone.
        name = refund_id if row["fingerprint"] else row["stripe_refund_id"]
        made = evidence.records.stripe_refunds_of.get(name, [])
        ours = (row["status"], row["stripe_refund_id"], row["amount"])
        waits = waits_for_the_customer(evidence.records, row)
        theirs = ("REQUESTED" if waits else "FAILED", None, row["amount"])
        if made:
            theirs = (REFUND_STATUS.get(made[-1]["status"], ""), made[-1]["id"], made[-1]["amount"])
        if ours != theirs:
            yield Breach(row["whose"], f"refund {refund_id} is {ours} here and {theirs} at Stripe")


def disputes_differ(evidence: Evidence) -> Iterator[Breach]:
    """A dispute that we do not know, or know otherwise."""
    ours = {name: (row["status"], row["amount"]) for name, row in evidence.records.disputes.items()}
    theirs = {
        name: (dispute["status"].upper(), dispute["amount"])
        for name, dispute in evidence.records.stripe_disputes.items()
    }
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            yield Breach(
                _disputed_payment(evidence.records, name),
                f"dispute {name} is {ours.get(name)} here and {theirs.get(name)} at Stripe",
            )


def _disputed_payment(records: Records, dispute_id: str) -> str:
    if dispute_id in records.disputes:
        return str(records.disputes[dispute_id]["whose"])
    intent = records.stripe_disputes[dispute_id]["payment_intent"]
    for payment_id, intents in records.intents_of.items():
        if any(each["id"] == intent for each in intents):
            return payment_id
    return ""
