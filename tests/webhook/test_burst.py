"""A burst of webhooks is acknowledged and processed without one error, each once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.devstack.waiting import wait_until
from tests.harness.producer import Producer
from tests.harness.rows import Rows
from tests.webhook.conftest import Crew, Receiver, Start
from tests.webhook.sending import SECRET, an_event, written

BURST = 2_000
PAYMENTS = 100
STATES = "SELECT status, count(*) AS payments FROM payment GROUP BY status"


def _at_once(sender: Receiver, bodies: list[bytes], connections: int) -> Counter[str]:
    with ThreadPoolExecutor(connections) as threads:
        return Counter(answer.outcome for answer in threads.map(sender.send, bodies))


@pytest.mark.timeout(300)
def test_a_burst_is_stored_without_an_error(receiver: Start, rows: Rows) -> None:
    sender = receiver()
    bodies = [written(an_event()) for _ in range(BURST // 2)]

    answers = _at_once(sender, bodies + bodies, connections=200)

    assert answers == {"stored": BURST // 2, "known": BURST // 2}
    assert rows.one("SELECT count(*) AS events FROM stripe_event")["events"] == BURST // 2
    told = sender.get("/metrics").body
    assert f'payment_worker_webhooks_total{{outcome="stored"}} {BURST / 2}' in told
    assert f"payment_worker_webhook_seconds_count {float(BURST)}" in told


def test_events_that_arrive_close_together_share_a_transaction(receiver: Start, rows: Rows) -> None:
    sender, events = receiver(), 100

    _at_once(sender, [written(an_event()) for _ in range(events)], connections=2)

    # Two connections: without a wait, each event would find a thread that is free.
    transactions = rows.one("SELECT count(DISTINCT xmin::text) AS count FROM stripe_event")["count"]
    assert transactions < 0.9 * events


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_burst_of_our_payments_in_any_order_is_processed(
    receiver: Start,
    crew: Crew,
    producer: Producer,
    simulator: Simulator,
    rows: Rows,
) -> None:
    sender = receiver()
    simulator.post("webhooks/endpoints", {"url": sender.webhooks, "secrets": [SECRET]})
    simulator.post("webhooks/mode", {"mode": "hold", "copies": 1})
    crew({"PAYMENT_WORKER_RESUME_EVERY": "1"})
    for _ in range(PAYMENTS):
        producer.charge_something()
    wait_until(lambda: rows(STATES) == [{"status": "SUCCEEDED", "payments": PAYMENTS}], seconds=120)
    simulator.advance(10)
    events = len(simulator.get("events")["data"])
    assert events >= 3 * PAYMENTS

    simulator.post("webhooks/mode", {"mode": "normal", "copies": 5})
    held = simulator.post("webhooks/release", {"order": "shuffle"})["released"]
    assert held == events
    wait_until(
        lambda: not rows("SELECT 1 FROM stripe_event WHERE status = 'RECEIVED' LIMIT 1"),
        seconds=120,
        what="every event is processed",
    )
    assert simulator.post("webhooks/settle")["settled"]

    state = simulator.get("webhooks")
    assert (state["delivered"], state["failed"]) == (events, 0)
    assert rows.one("SELECT count(*) AS events FROM stripe_event")["events"] == events
    assert not rows("SELECT 1 FROM stripe_event WHERE status = 'PARKED'")
    assert rows(STATES) == [{"status": "SUCCEEDED", "payments": PAYMENTS}]
    assert rows.one("SELECT count(*) AS steps FROM payment_history")["steps"] == 2 * PAYMENTS
