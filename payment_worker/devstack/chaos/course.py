"""Charges about the course of things: requests lost, states nobody leaves, gaps in the history and in what is told."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from payment_worker.devstack.chaos.evidence import Breach, Evidence
from payment_worker.devstack.chaos.plan import Ask
from payment_worker.devstack.chaos.records import Records, Row

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
    ("dispute", "PREVENTED"): "DisputeClosed",
}
"""The message that each transition has: of a payment, of a refund, of a dispute."""


def lost(evidence: Evidence) -> Iterator[Breach]:
    """Asked for and never recorded, or made at Stripe and unknown to us."""
    records = evidence.records
    recorded = records.payments.keys() | records.refunds.keys()
    for ask in evidence.plan.charges + evidence.plan.refunds:
        if ask.identity not in recorded:
            yield Breach(ask.payment_id, f"{ask.task} {ask.identity} has no row")
    for ask in evidence.plan.changes:
        if not _is_answered(records, ask):
            yield Breach(ask.payment_id, f"{ask.task} {ask.identity} was never answered")
    asked = {ask.identity for ask in evidence.plan.asks}
    adopted = {row["stripe_refund_id"] for row in records.refunds.values() if not row["fingerprint"]}
    for identity in (records.intents_of.keys() | records.stripe_refunds_of.keys()) - asked - adopted:
        yield Breach(identity, "Stripe has something that nobody asked us for, and we do not know of it")


def _is_answered(records: Records, ask: Ask) -> bool:
    """Tried, refused, or asked of a payment where it can change nothing more."""
    tried = any(row["asked_by"] == ask.identity for row in records.attempts_of.get(ask.payment_id, []))
    moot = ask.is_moot(records.payments.get(ask.payment_id, {}).get("status"))
    return tried or moot or ask.identity in records.rejected


def stuck(evidence: Evidence) -> Iterator[Breach]:
    """In a state that is no end."""
    for payment_id, row in evidence.records.payments.items():
        if row["status"] not in AT_REST:
            yield Breach(payment_id, f"payment is still {row['status']}")
    for refund_id, row in evidence.records.refunds.items():
        if row["status"] not in AT_REST and not waits_for_the_customer(evidence.records, row):
            yield Breach(row["whose"], f"refund {refund_id} is still {row['status']}")


def waits_for_the_customer(records: Records, refund: Row) -> bool:
    """A refund waits as long as its payment does."""
    waits = refund["status"] == "REQUESTED" and refund["waits_until"] is not None
    return waits and records.payments[refund["whose"]]["status"] == "REQUIRES_ACTION"


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
        if told.type not in {"RefundRequested", "RequestRejected"}
    ]
