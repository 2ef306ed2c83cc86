"""What a caller with a result backend is answered: the same four fields whatever it sent, or one clear error."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, Final

import pytest
import redis
from celery import Celery

from payment_worker.devstack.servers.valkey import Valkey
from tests.acceptance.scene import Scene
from tests.harness.producer import a_charge, a_refund
from tests.webhook.sending import an_event, signature

RESULTS: Final = 3999
"""A database of Redis that no other test has."""

GENEROUS_SECONDS = 25


@pytest.fixture(scope="module")
def results(valkey: Valkey) -> Iterator[str]:
    url = valkey.url(RESULTS)
    with closing(redis.Redis.from_url(url)) as client:
        client.flushdb()
        yield url
        client.flushdb()


@pytest.fixture(scope="module")
def scene(new_scene: Callable[..., Scene], results: str) -> Scene:
    made = new_scene(PAYMENT_WORKER_RESULT_BACKEND=results)
    return made.ready(made.worker(), made.beat())


@pytest.fixture(scope="module")
def answer(results: str) -> Iterator[Callable[[str], Any]]:
    """Waits for what a task answered, as any app of Celery's does, and raises what it failed with."""
    with Celery(backend=results, set_as_current=False) as app:
        yield lambda task_id: app.AsyncResult(task_id).get(timeout=GENEROUS_SECONDS)


def test_a_charge_answers_the_state_that_it_came_to_and_so_does_each_repetition(
    scene: Scene, answer: Callable[[str], Any]
) -> None:
    charge = a_charge()
    first, again = answer(scene.producer.charge(**charge)), answer(scene.producer.charge(**charge))
    row = scene.payment(charge["payment_id"], "SUCCEEDED")
    assert first == again
    assert first == {
        "payment_id": charge["payment_id"],
        "status": "SUCCEEDED",
        "stripe_id": row["stripe_payment_intent_id"],
        "reason": None,
    }


def test_a_decline_is_an_answer_with_its_reason(scene: Scene, answer: Callable[[str], Any]) -> None:
    charge = a_charge(payment_method="pm_card_visa_chargeDeclinedInsufficientFunds")
    answered = answer(scene.producer.charge(**charge))
    assert (answered["status"], answered["reason"]) == ("FAILED", "insufficient_funds")


def test_a_refund_and_a_refund_of_nothing_answer(scene: Scene, answer: Callable[[str], Any]) -> None:
    payment_id = scene.paid()
    refund, late = a_refund(payment_id), a_refund(payment_id, amount=1)
    done = answer(scene.producer.refund(**refund))
    row = scene.refund_row(refund["refund_id"], "PROCESSED")
    assert done == {
        "refund_id": refund["refund_id"],
        "status": "PROCESSED",
        "stripe_id": row["stripe_refund_id"],
        "reason": None,
    }
    refused = answer(scene.producer.refund(**late))
    row = scene.refund_row(late["refund_id"], "FAILED")
    assert refused == {
        "refund_id": late["refund_id"],
        "status": "FAILED",
        "stripe_id": None,
        "reason": row["failure_reason"],
    }
    assert row["failure_reason"]


def test_a_capture_and_a_cancellation_answer(scene: Scene, answer: Callable[[str], Any]) -> None:
    payment_id = scene.charge(capture_method="manual")
    scene.payment(payment_id, "AUTHORIZED")
    captured = answer(scene.producer.send("payment_worker.capture", "charges", {"payment_id": payment_id}))
    assert (captured["payment_id"], captured["status"]) == (payment_id, "SUCCEEDED")
    late = answer(scene.producer.send("payment_worker.cancel", "charges", {"payment_id": payment_id}))
    assert (late["status"], late["reason"]) == ("SUCCEEDED", "payment_succeeded")


def test_a_malformed_request_answers_one_error_that_names_every_bad_field(
    scene: Scene, answer: Callable[[str], Any]
) -> None:
    sent = scene.producer.charge(**{**a_charge(amount=-1, currency="EURO"), "colour": "red"})
    with pytest.raises(Exception, match="currency") as refused:
        answer(sent)
    assert [field in str(refused.value) for field in ("amount", "currency", "colour")] == [True] * 3


def test_a_conflict_answers_an_error(scene: Scene, answer: Callable[[str], Any]) -> None:
    charge = a_charge()
    answer(scene.producer.charge(**charge))
    with pytest.raises(Exception, match="payment_id is taken"):
        answer(scene.producer.charge(**{**charge, "amount": 9_999}))


def test_an_event_answers_what_became_of_it(scene: Scene, answer: Callable[[str], Any]) -> None:
    body = json.dumps(an_event()).encode()
    # It waited in a queue for longer than a receiver over HTTP would bear: only what is signed is judged here.
    event = {"payload": body.decode(), "signature": signature(body, age_seconds=20 * 60)}
    first = answer(scene.producer.receive_stripe_event(**event))
    again = answer(scene.producer.receive_stripe_event(**event))
    event_id = json.loads(body)["id"]
    assert first == {"event_id": event_id, "status": "IGNORED", "stripe_id": event_id, "reason": None}
    assert again == {**first, "status": "known"}
