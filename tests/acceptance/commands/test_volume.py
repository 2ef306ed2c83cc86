"""Hundreds of charges and refunds, every message sent twice or thrice, end with one effect each."""

import random
from collections import Counter
from collections.abc import Callable, Mapping

import pytest

from payment_worker.devstack.waiting import wait_until
from tests.acceptance.scene import PATIENT, Json, Scene
from tests.harness.length import examples
from tests.harness.producer import a_charge, a_refund

CHARGES, REFUNDS = examples(60, long=500), examples(30, long=200)
# What each leads to; `manual` is no payment method but a way to capture.
METHODS: Mapping[str, str] = {
    "pm_card_visa": "SUCCEEDED",
    "pm_card_mastercard": "SUCCEEDED",
    "pm_card_amex": "SUCCEEDED",
    "pm_card_visa_debit": "SUCCEEDED",
    "pm_card_pendingRefund": "SUCCEEDED",
    "pm_card_visa_chargeDeclined": "FAILED",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "FAILED",
    "pm_card_chargeDeclinedExpiredCard": "FAILED",
    "pm_card_radarBlock": "FAILED",
    "pm_card_processing": "PROCESSING",
    "manual": "AUTHORIZED",
}
# Amounts are multiples of ten, for of a thousandth of a dinar Stripe takes no other.
CURRENCIES = ("EUR", "usd", "JPY", "KWD", "gbp")


@pytest.mark.timeout(300)
def test_every_charge_and_refund_has_one_effect_however_often_it_is_sent(
    new_scene: Callable[..., Scene],
) -> None:
    jitter = random.Random(20)  # noqa: S311 any mix will do, and this one every time
    scene = new_scene(**PATIENT)
    # What time would change is left as it is: nobody tells this worker of it.
    later = ("processing_delay_seconds", "pending_refund_delay_seconds")
    scene.simulator.post("settings", dict.fromkeys(later, 86_400))
    scene.ready(scene.worker(concurrency=12))
    charges = _charges(jitter)
    sent = _send_shuffled(jitter, scene.producer.charge, charges)
    _wait_for_ends(scene, sent)
    outcomes = {
        row["id"]: row["status"] for row in scene.rows("SELECT payment_id::text AS id, status FROM payment")
    }
    assert outcomes == {charge["payment_id"]: METHODS[_method(charge)] for charge in charges}
    refunds = _refunds(jitter, charges)
    sent = _send_shuffled(jitter, scene.producer.refund, refunds)
    _wait_for_ends(scene, sent)
    assert len(scene.rows("SELECT 1 FROM refund")) == REFUNDS
    statuses = Counter(row["status"] for row in scene.rows("SELECT status FROM refund"))
    assert statuses.keys() == {"PROCESSED", "PENDING", "FAILED"}
    assert statuses["PROCESSED"] > REFUNDS / 3
    assert Counter(post["endpoint"] for post in scene.simulator.journal()) == {
        "payment_intents.create": CHARGES,
        "refunds.create": statuses["PROCESSED"] + statuses["PENDING"],
    }
    assert scene.rows("SELECT 1 FROM rejected_request") == []
    scene.books.must_agree()


def _charges(jitter: random.Random) -> list[Json]:
    charges = []
    for method in jitter.choices(list(METHODS), k=CHARGES):
        how = {"capture_method": "manual"} if method == "manual" else {"payment_method": method}
        amount, currency = jitter.randrange(100, 9_999) * 10, jitter.choice(CURRENCIES)
        charges.append(a_charge(amount=amount, currency=currency, **how))
    return charges


def _method(charge: Json) -> str:
    return "manual" if "capture_method" in charge else str(charge["payment_method"])


def _refunds(jitter: random.Random, charges: list[Json]) -> list[Json]:
    """Whole ones and parts, several of a payment; some of more than is left, some of what was never paid."""
    paid = [charge for charge in charges if METHODS[_method(charge)] == "SUCCEEDED"]
    declined = [charge for charge in charges if METHODS[_method(charge)] == "FAILED"]
    refunds = [a_refund(charge["payment_id"]) for charge in declined[:10]]
    for charge in jitter.choices(paid[: REFUNDS // 2], k=REFUNDS - len(refunds)):
        part = {"amount": jitter.randrange(1, charge["amount"] // 10) * 10} if jitter.random() < 0.7 else {}
        refunds.append(a_refund(charge["payment_id"], **part))
    return refunds


def _send_shuffled(jitter: random.Random, send: Callable[..., str], requests: list[Json]) -> list[str]:
    """Each twice or thrice, copies far apart and side by side."""
    copies = [request for request in requests for _ in range(jitter.choice((2, 3)))]
    jitter.shuffle(copies)
    return [send(**request) for request in copies]


def _wait_for_ends(scene: Scene, sent: list[str]) -> None:
    """Every single message, duplicates too, was really run to its end."""
    scene.witness.wait_for_end(sent, seconds=120)
    counts = scene.witness.counts(sent)
    assert (counts["task-succeeded"], counts["task-failed"]) == (len(sent), 0)
    wait_until(
        lambda: not scene.rows("SELECT 1 FROM payment WHERE status = 'REQUESTED'"), what="every outcome"
    )
