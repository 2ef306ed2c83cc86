"""A worker tells what all its processes counted, and loses no count with one of them."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from payment_worker.devstack import programs
from payment_worker.devstack.ports import free_port
from payment_worker.devstack.processes import Process
from payment_worker.devstack.waiting import wait_until
from tests.harness.length import long
from tests.harness.producer import Producer
from tests.harness.rows import Rows
from tests.monitoring.scraping import Scrape, scrape

Start = Callable[..., Process]


@pytest.fixture
def port(worker: Start, request: pytest.FixtureRequest) -> int:
    """Where a worker of this pool tells what it counts."""
    chosen = free_port()
    request.node.worker = worker(
        pool=request.param, concurrency=2, settings={"PAYMENT_WORKER_METRICS_PORT": str(chosen)}
    )
    return chosen


def _charged(producer: Producer, rows: Rows, **changes: object) -> str:
    payment_id = producer.charge_something(amount=1200, **changes)
    ended = "SELECT * FROM payment WHERE payment_id = %s AND status IN ('SUCCEEDED', 'FAILED')"
    rows.wait_for(ended, payment_id, seconds=30)
    return payment_id


def _told(port: int, name: str, labels: dict[str, str], count: float) -> Scrape:
    """The first scrape that tells this count, which may come a moment after the row."""
    scrapes: list[Scrape] = []

    def is_told() -> bool:
        scrapes.append(scrape(port))
        return scrapes[-1].value(name, **labels) == count

    wait_until(is_told, what=f"{name} {labels} is {count}", every_seconds=0.1)
    return scrapes[-1]


@pytest.mark.parametrize("port", ["prefork", long("threads")], indirect=True)
def test_what_happened_is_counted(port: int, producer: Producer, rows: Rows) -> None:
    first = scrape(port)
    charged = {"action": "charge", "outcome": "executed", "account": "platform"}
    assert first.value("payment_worker_attempts_total", **charged) == 0

    paid = _charged(producer, rows)
    _charged(producer, rows, payment_method="pm_card_chargeDeclined")
    refund_id = str(uuid4())
    producer.refund(refund_id=refund_id, payment_id=paid, amount=200)
    rows.wait_for("SELECT * FROM refund WHERE refund_id = %s AND status = 'PROCESSED'", refund_id)
    producer.charge(payment_id="none")
    producer.send("payment_worker.no_such_task", "charges", {})
    rows.wait_for("SELECT * FROM rejected_request WHERE task LIKE '%%no_such_task'")

    seconds = "payment_worker_stripe_request_seconds"
    created = {"endpoint": "payment_intents.create", "account": "platform"}
    counts: list[tuple[str, dict[str, str], float]] = [
        ("payment_worker_tasks_total", {"task": "charge", "end": "rejected"}, 1),
        ("payment_worker_queue_tasks_total", {"queue": "refunds"}, 1),
        ("payment_worker_queue_tasks_total", {"queue": "charges"}, 3),
        (
            "payment_worker_attempts_total",
            {"action": "charge", "outcome": "executed", "account": "platform"},
            1,
        ),
        (
            "payment_worker_attempts_total",
            {"action": "charge", "outcome": "declined", "account": "platform"},
            1,
        ),
        (
            "payment_worker_attempts_total",
            {"action": "refund", "outcome": "executed", "account": "platform"},
            1,
        ),
        ("payment_worker_payments_total", {"status": "succeeded", "account": "platform"}, 1),
        ("payment_worker_captured_minor_units_total", {"currency": "EUR", "account": "platform"}, 1200),
        ("payment_worker_refunded_minor_units_total", {"currency": "EUR", "account": "platform"}, 200),
        ("payment_worker_rejected_requests_total", {"task": "charge"}, 1),
        ("payment_worker_rejected_requests_total", {"task": "other"}, 1),
    ]
    for answer in ("answered", "declined"):
        counts.append((f"{seconds}_count", {**created, "answer": answer}, 1))
        counts.append((f"{seconds}_bucket", {**created, "answer": answer, "le": "+Inf"}, 1))
    for name, labels, count in counts:
        told = _told(port, name, labels, count)
    assert "no_such_task" not in told.text
    assert paid not in told.text


@pytest.mark.parametrize("port", ["prefork"], indirect=True)
def test_a_child_that_dies_takes_no_count_with_it(
    port: int, producer: Producer, rows: Rows, request: pytest.FixtureRequest
) -> None:
    worker: Process = request.node.worker
    for _ in range(3):
        _charged(producer, rows)
    children = set(worker.descendants())
    for child in children:
        os.kill(child, signal.SIGKILL)
    wait_until(lambda: len(set(worker.descendants()) - children) == len(children), seconds=20)
    for _ in range(3):
        _charged(producer, rows)

    _told(
        port,
        "payment_worker_captured_minor_units_total",
        {"currency": "EUR", "account": "platform"},
        6 * 1200,
    )


def test_a_port_that_is_taken_is_reported_at_once(
    environment: dict[str, str], tmp_path: Path, redis_url: str
) -> None:
    taken = redis_url.rpartition(":")[2].partition("/")[0]
    settings = {**environment, "PAYMENT_WORKER_METRICS_PORT": taken}
    for start in (programs.worker, programs.beat):
        process = start(settings, directory=tmp_path).start()
        assert process.wait() == 2
        assert (
            f"Metrics cannot be served on 127.0.0.1 port {taken}: Address already in use." in process.output()
        )


def test_without_a_port_nothing_is_counted_and_nobody_listens(worker: Start, tmp_path: Path) -> None:
    worker(pool="threads", settings={"TMPDIR": str(tmp_path)})
    assert not list(tmp_path.glob("payment-worker-metrics-*"))
