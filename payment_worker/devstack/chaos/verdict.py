"""The verdict: every way in which the promise can be broken, looked for in every payment."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from payment_worker.devstack.chaos.audience import Told
from payment_worker.devstack.chaos.plan import Plan
from payment_worker.devstack.chaos.records import Records, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is judged."""

    plan: Plan
    records: Records
    told: Mapping[str, list[Told]]


@dataclass(frozen=True, slots=True)
class Breach:
    """One broken promise, and the payment it was broken to."""

    payment_id: str
    what: str


Charge = Callable[[Evidence], Iterator[Breach]]

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

_MESSAGE_OF: Final[Mapping[tuple[str, str], str]] = {
    ("payment", "SUCCEEDED"): "PaymentSucceeded",
    ("payment", "FAILED"): "PaymentFailed",
    ("payment", "AUTHORIZED"): "PaymentAuthorized",
    ("payment", "CANCELED"): "PaymentCanceled",
    ("payment", "REQUIRES_ACTION"): "PaymentActionRequired",
    ("payment", "REQUESTED"): "PaymentRequested",
    ("refund", "PROCESSED"): "RefundProcessed",
    ("refund", "FAILED"): "RefundFailed",
    ("refund", "CANCELED"): "RefundFailed",
    ("dispute", "NEEDS_RESPONSE"): "DisputeOpened",
    ("dispute", "WON"): "DisputeClosed",
    ("dispute", "LOST"): "DisputeClosed",
}
"""The message that each transition has: of a payment, of a refund, of a dispute."""

_AUTHENTICATION: Final = "pm_card_authenticationRequired"
"""Stripe calls its refusal a failed attempt; for us the payment waits for the customer."""


def doubled(evidence: Evidence) -> Iterator[Breach]:
    """Money moved more than once for one request."""
    records = evidence.records
    for payment_id, intents in records.intents_of.items():
        effects = sum(intent["effects"] for intent in intents)
        if effects > 1 or len(intents) > 1:
            yield Breach(payment_id, f"{effects} times charged, with {len(intents)} PaymentIntents")
    for ask in evidence.plan.refunds:
        made = records.stripe_refunds_of.get(ask.identity, [])
        if len(made) > 1:
            yield Breach(ask.payment_id, f"refund {ask.identity} made {len(made)} times")


def lost(evidence: Evidence) -> Iterator[Breach]:
    """Asked for and never recorded, or made at Stripe and unknown to us."""
    records = evidence.records
    recorded = records.payments.keys() | records.refunds.keys()
    for ask in evidence.plan.asks:
        if ask.identity not in recorded:
            yield Breach(ask.payment_id, f"{ask.task} {ask.identity} has no row")
    asked = {ask.identity for ask in evidence.plan.asks}
    for identity in (records.intents_of.keys() | records.stripe_refunds_of.keys()) - asked:
        yield Breach(identity, "Stripe has something that nobody asked for")


def stuck(evidence: Evidence) -> Iterator[Breach]:
    """In a state that is no end."""
    for payment_id, row in evidence.records.payments.items():
        if row["status"] not in AT_REST:
            yield Breach(payment_id, f"payment is still {row['status']}")
    for refund_id, row in evidence.records.refunds.items():
        if row["status"] not in AT_REST and not _waits_for_the_customer(evidence.records, row):
            yield Breach(row["whose"], f"refund {refund_id} is still {row['status']}")


def _waits_for_the_customer(records: Records, refund: Row) -> bool:
    """A refund waits as long as its payment does."""
    waits = refund["status"] == "REQUESTED" and refund["waits_until"] is not None
    return waits and records.payments[refund["whose"]]["status"] == "REQUIRES_ACTION"


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
        made = evidence.records.stripe_refunds_of.get(refund_id, [])
        ours = (row["status"], row["stripe_refund_id"], row["amount"])
        waits = _waits_for_the_customer(evidence.records, row)
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


def history_broken(evidence: Evidence) -> Iterator[Breach]:
    """A history whose rows do not follow one another to the present state."""
    records = evidence.records
    for payment_id, rows in records.history_of.items():
        present: dict[str, str | None] = {}
        for row in rows:
            if row["from_status"] != present.get(row["subject"]):
                yield Breach(payment_id, f"history of {row['subject']} jumps to {row['to_status']}")
            present[row["subject"]] = row["to_status"]
        for subject, status in present.items():
            current = (
                records.payments.get(subject) or records.refunds.get(subject) or records.disputes[subject]
            )
            if current["status"] != status:
                yield Breach(payment_id, f"history of {subject} ends with {status}, not {current['status']}")
    for payment_id in records.payments.keys() - records.history_of.keys():
        yield Breach(payment_id, "has no history")


def messages_missing(evidence: Evidence) -> Iterator[Breach]:
    """A transition that nobody was told of, or a message about one that never was."""
    for payment_id in evidence.records.payments:
        wanted, heard = Counter(_expected(evidence, payment_id)), Counter(_heard(evidence, payment_id))
        if wanted != heard:
            missing, invented = sorted((wanted - heard).elements()), sorted((heard - wanted).elements())
            yield Breach(payment_id, f"messages missing: {missing}, about nothing: {invented}")


def messages_out_of_order(evidence: Evidence) -> Iterator[Breach]:
    """Outcomes told in another order than they came in, or before their request."""
    for payment_id in evidence.records.payments:
        wanted, heard = _expected(evidence, payment_id), _heard(evidence, payment_id)
        if wanted != heard and Counter(wanted) == Counter(heard):
            yield Breach(payment_id, f"messages should be {wanted} and were {heard}")
        seen: set[str] = set()
        for told in evidence.told.get(payment_id, []):
            if told.type == "RefundRequested" and told.subject in seen:
                yield Breach(payment_id, f"RefundRequested of {told.subject} came after its outcome")
            seen.add(told.subject)


def _expected(evidence: Evidence, payment_id: str) -> list[tuple[str, str]]:
    rows = evidence.records.history_of.get(payment_id, [])
    named = ((_MESSAGE_OF.get((row["kind"], row["to_status"])), row["subject"]) for row in rows)
    return [(message, subject) for message, subject in named if message]


def _heard(evidence: Evidence, payment_id: str) -> list[tuple[str, str]]:
    """What was told of transitions. A refund that waits for its payment is requested of Stripe later, or never."""
    return [
        (told.type, told.subject)
        for told in evidence.told.get(payment_id, [])
        if told.type != "RefundRequested"
    ]


COUNTS: Final[Mapping[str, Charge]] = {
    "doubled": doubled,
    "lost": lost,
    "stuck": stuck,
    "over-refunded": over_refunded,
    "charges that differ": charges_differ,
    "refunds that differ": refunds_differ,
    "disputes that differ": disputes_differ,
    "histories broken": history_broken,
    "messages missing": messages_missing,
    "messages out of order": messages_out_of_order,
}
"""Each way to break the promise, and how it is looked for."""


def judged(evidence: Evidence) -> dict[str, list[Breach]]:
    """Every breach, by its way."""
    return {name: list(charge(evidence)) for name, charge in COUNTS.items()}
