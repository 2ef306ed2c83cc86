"""The books of a test world, compared: our rows with the simulator's ledger and journal, and with each other.

Written from the outside: the tables and the stream that other apps may read, the attempts for their keys, and
what the simulator tells. Every difference is a sentence.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import redis

from payment_worker.devstack.servers.simulator import RunningSimulator
from payment_worker.devstack.waiting import DeadlineMissedError, wait_until
from tests.harness.rows import Rows

STREAM = "payment_worker.events"
Json = dict[str, Any]

# Written by hand: the product's own tables would agree with themselves.
PAYMENT_STATUSES: Mapping[str, frozenset[str]] = {
    "succeeded": frozenset({"SUCCEEDED"}),
    "processing": frozenset({"PROCESSING"}),
    "requires_capture": frozenset({"AUTHORIZED"}),
    "requires_action": frozenset({"REQUIRES_ACTION"}),
    "requires_payment_method": frozenset({"FAILED"}),
    "canceled": frozenset({"CANCELED"}),
}
REFUND_STATUSES: Mapping[str, str] = {
    "succeeded": "PROCESSED",
    "pending": "PENDING",
    "requires_action": "REQUIRES_ACTION",
    "failed": "FAILED",
    "canceled": "CANCELED",
}
PAYMENT_MESSAGES: Mapping[str, str] = {
    "REQUESTED": "PaymentRequested",
    "PROCESSING": "PaymentProcessing",
    "SUCCEEDED": "PaymentSucceeded",
    "FAILED": "PaymentFailed",
    "AUTHORIZED": "PaymentAuthorized",
    "CANCELED": "PaymentCanceled",
    "REQUIRES_ACTION": "PaymentActionRequired",
}
REFUND_MESSAGES: Mapping[str, str] = {
    "PENDING": "RefundPending",
    "PROCESSED": "RefundProcessed",
    "FAILED": "RefundFailed",
    "CANCELED": "RefundFailed",
}
STANDING = frozenset({"PENDING", "REQUIRES_ACTION", "PROCESSED"})


@dataclass(frozen=True, kw_only=True)
class _Read:
    """All that both sides say at one moment."""

    payments: Mapping[str, Json]
    refunds: Mapping[str, Json]
    history: list[Json]
    intents: list[Json]
    journal: list[Json]
    attempts: list[Json]
    messages: list[Json] = field(default_factory=list)


class Books:
    """The books of one world. `stream`: the worker's Redis, or None where a test has emptied it."""

    def __init__(self, rows: Rows, simulator: RunningSimulator, stream: "redis.Redis | None") -> None:
        self._rows, self._simulator, self._stream = rows, simulator, stream

    def must_agree(self, *, but_for: Collection[str] = (), seconds: float = 15) -> None:
        """Wait until they do, for messages are told a little later; fail with every difference.

        Args:
            but_for: payments that a test leaves unsettled, and says why.
            seconds: how long they may take.
        """
        differences: list[str] = []

        def agree() -> bool:
            differences[:] = [
                each for each in self.differences() if not any(known in each for known in but_for)
            ]
            return not differences

        try:
            wait_until(agree, seconds=seconds, every_seconds=0.1)
        except DeadlineMissedError:
            raise AssertionError("the books differ:\n  " + "\n  ".join(differences)) from None

    def differences(self) -> list[str]:
        """Every difference there is now."""
        read = self._read()
        checks = [_payments(read), _refunds(read), _history(read), _keys(read), _attempts(read)]
        if self._stream is not None:
            checks.append(_messages(read))
        return [sentence for check in checks for sentence in check]

    def _read(self) -> _Read:
        payments = self._rows("SELECT *, payment_id::text FROM payment")
        refunds = self._rows("SELECT *, refund_id::text, payment_id::text FROM refund")
        history = self._rows(
            "SELECT *, payment_id::text, refund_id::text FROM payment_history ORDER BY history_id"
        )
        return _Read(
            payments={row["payment_id"]: row for row in payments},
            refunds={row["refund_id"]: row for row in refunds},
            history=history,
            intents=self._simulator.ledger()["payment_intents"],
            journal=self._simulator.journal(),
            attempts=self._rows("SELECT payment_id, refund_id, number, idempotency_key FROM payment_attempt"),
            messages=told(self._stream) if self._stream else [],
        )


def told(stream: "redis.Redis") -> list[Json]:
    """The envelopes on the stream in order, each id once: it is told at least once."""
    entries: Any = stream.xrange(STREAM)
    envelopes = [json.loads(fields["event"]) for _, fields in entries]
    return list({each["id"]: each for each in envelopes}.values())


def _payments(read: _Read) -> Iterator[str]:
    theirs = defaultdict(list)
    for intent in read.intents:
        theirs[intent["metadata"].get("payment_id")].append(intent)
    yield from (
        f"payment {each}: Stripe has it, and we do not" for each in theirs.keys() - {None, *read.payments}
    )
    for payment_id, row in read.payments.items():
        for difference in _payment(row, theirs[payment_id], read.refunds.values()):
            yield f"payment {payment_id}: {difference}"


def _payment(row: Json, intents: list[Json], refunds: Iterable[Json]) -> Iterator[str]:
    yield from _unequal("captured", row["amount_captured"], sum(each["captured"] for each in intents))
    given_back = sum(each["refunded"] - each["refund_pending"] for each in intents)
    yield from _unequal("refunded", row["amount_refunded"], given_back)
    if (effects := sum(each["effects"] for each in intents)) > 1:
        yield f"money was taken {effects} times"
    ours = [each for each in refunds if each["payment_id"] == row["payment_id"]]
    processed = sum(each["amount"] for each in ours if each["status"] == "PROCESSED")
    yield from _unequal("sum of PROCESSED refunds", processed, row["amount_refunded"])
    if (standing := sum(each["amount"] for each in ours if each["status"] in STANDING)) > row[
        "amount_captured"
    ]:
        yield f"refunds of {standing} exceed the captured {row['amount_captured']}"
    yield from _same_intent(row, intents)


def _same_intent(row: Json, intents: list[Json]) -> Iterator[str]:
    known = [each for each in intents if each["id"] == row["stripe_payment_intent_id"]]
    if not known:
        if row["stripe_payment_intent_id"] or intents or row["status"] not in {"FAILED", "CANCELED"}:
            yield f"is {row['status']} as {row['stripe_payment_intent_id']}, Stripe has {[i['id'] for i in intents]}"
        return
    (intent,) = known
    yield from _unequal("amount", row["amount"], intent["amount"])
    yield from _unequal("currency", row["currency"], intent["currency"].upper())
    if row["status"] not in PAYMENT_STATUSES[intent["status"]]:
        yield f"is {row['status']}, at Stripe {intent['status']}"


def _refunds(read: _Read) -> Iterator[str]:
    theirs = {each["id"]: (intent, each) for intent in read.intents for each in intent["refunds"]}
    names = Counter(
        each["metadata"].get("refund_id")
        for _, each in theirs.values()
        if each["status"] in {"succeeded", "pending"}
    )
    yield from (f"refund {each}: made {count} times" for each, count in names.items() if each and count > 1)
    ours = {row["stripe_refund_id"]: row for row in read.refunds.values() if row["stripe_refund_id"]}
    for stripe_id, (intent, each) in theirs.items():
        if intent["metadata"].get("payment_id") in read.payments and stripe_id not in ours:
            yield f"refund {stripe_id}: Stripe has it, and we do not ({each['metadata']})"
    for refund_id, row in read.refunds.items():
        for difference in _refund(row, theirs.get(row["stripe_refund_id"]), read.payments[row["payment_id"]]):
            yield f"refund {refund_id} of payment {row['payment_id']}: {difference}"


def _refund(row: Json, theirs: tuple[Json, Json] | None, payment: Json) -> Iterator[str]:
    yield from _unequal("currency", row["currency"], payment["currency"])
    if theirs is None:
        if row["status"] != "FAILED":
            yield f"is {row['status']}, and Stripe has none"
        return
    intent, refund = theirs
    yield from _unequal("amount", row["amount"], refund["amount"])
    yield from _unequal("status", row["status"], REFUND_STATUSES[refund["status"]])
    yield from _unequal("PaymentIntent", payment["stripe_payment_intent_id"], intent["id"])


def _history(read: _Read) -> Iterator[str]:
    lives: dict[tuple[str, str | None], list[Json]] = defaultdict(list)
    for row in read.history:
        lives[row["payment_id"], row["refund_id"]].append(row)
    present = {(payment_id, None): row["status"] for payment_id, row in read.payments.items()}
    present |= {(row["payment_id"], refund_id): row["status"] for refund_id, row in read.refunds.items()}
    for (payment_id, refund_id), status in present.items():
        life = lives[payment_id, refund_id]
        froms, tos = [row["from_status"] for row in life], [row["to_status"] for row in life]
        # Only an authorisation is seen again, after each of several captures.
        again = any(after == before != "AUTHORIZED" for before, after in pairwise(tos))
        if froms != [None, *tos[:-1]] or tos[-1:] != [status] or again:
            steps = list(zip(froms, tos, strict=True))
            yield f"history of payment {payment_id}, refund {refund_id}: {steps}, and it is {status}"
        yield from (
            f"history of payment {payment_id}: no cause or actor in {row}"
            for row in life
            if not (row["cause"] and row["actor"])
        )


def _keys(read: _Read) -> Iterator[str]:
    by_key: dict[str, list[Json]] = defaultdict(list)
    for entry in read.journal:
        if entry["endpoint"] in {"payment_intents.create", "refunds.create"}:
            if not entry["key"]:
                yield f"a request without a key: {entry['params']}"
            by_key[entry["key"]].append(entry)
    for key, entries in by_key.items():
        if len({entry["body"] for entry in entries}) > 1:
            yield f"key {key}: sent with {len({entry['body'] for entry in entries})} different bodies"
        if sum(entry["effect"] for entry in entries) > 1:
            yield f"key {key}: more than one effect"


def _attempts(read: _Read) -> Iterator[str]:
    """Each attempt has a key of its own, and nothing was asked for under any other."""
    keys = Counter(row["idempotency_key"] for row in read.attempts)
    yield from (f"key {key}: of {count} attempts" for key, count in keys.items() if count > 1)
    sent = {
        entry["key"]
        for entry in read.journal
        if entry["endpoint"] in {"payment_intents.create", "refunds.create"}
    }
    yield from (f"key {key}: of no attempt" for key in sent - keys.keys())


CHANGED_NO_PAYMENT = frozenset({"RequestRejected", "PaymentSuspected", "PayoutPaid", "PayoutFailed"})


def _messages(read: _Read) -> Iterator[str]:
    stories: dict[str, list[Json]] = defaultdict(list)
    for message in read.messages:
        if message["type"] in CHANGED_NO_PAYMENT:
            continue
        stories[message["subject"]].append(message)
    expected: dict[str, list[tuple[str, str | None]]] = defaultdict(list)
    for row in read.history:
        told_of = REFUND_MESSAGES if row["refund_id"] else PAYMENT_MESSAGES
        if row["to_status"] in told_of:
            expected[row["payment_id"]].append((told_of[row["to_status"]], row["refund_id"]))
    yield from (f"messages of unknown payment {each}" for each in stories.keys() - expected.keys())
    for payment_id, wanted in expected.items():
        story = [(each["type"], each["data"].get("refundId")) for each in stories[payment_id]]
        outcomes = [each for each in story if each[0] != "RefundRequested"]
        if outcomes != wanted:
            yield f"messages of payment {payment_id}: {outcomes}, history has {wanted}"
        yield from _refund_requests(payment_id, story, read.refunds)


def _refund_requests(
    payment_id: str, story: list[tuple[str, str | None]], refunds: Mapping[str, Json]
) -> Iterator[str]:
    """A refund that was asked of Stripe was told of first, once."""
    for refund_id, row in refunds.items():
        if row["payment_id"] == payment_id and row["stripe_refund_id"] and row["fingerprint"]:
            types = [kind for kind, about in story if about == refund_id]
            if types[:1] != ["RefundRequested"] or types.count("RefundRequested") > 1:
                yield f"messages of payment {payment_id}: refund {refund_id} was told of as {types}"


def _unequal(what: str, ours: object, theirs: object) -> Iterator[str]:
    if ours != theirs:
        yield f"{what} is {ours} here and {theirs} at Stripe"
