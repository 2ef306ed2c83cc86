"""The response to a charge is recorded without a lock only if neither the payment nor the lease has changed since."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Thread

import psycopg2
import pytest

from payment_worker.telemetry import recorder
from payment_worker.telemetry.metrics import ATTEMPTS, CAPTURED
from payment_worker.telemetry.recorder import Metric
from tests.flows.scene import Scene
from tests.harness.rows import Rows

STORED = """
SELECT payment.status, payment.version, amount_captured, attempt.status AS attempt,
    (SELECT count(*) FROM payment_history WHERE to_status = 'SUCCEEDED') AS transitions,
    (SELECT count(*) FROM outbox WHERE type = 'PaymentSucceeded') AS messages
FROM payment JOIN payment_attempt AS attempt USING (payment_id)
"""


@dataclass
class Counts:
    """What was counted, by the metric's name."""

    totals: Counter[str] = field(default_factory=Counter)

    def add(self, metric: Metric, _labels: tuple[str, ...], by: float, /) -> None:
        self.totals[metric.name] += int(by)

    def observe(self, *_: object) -> None:
        pass


@pytest.fixture
def counts() -> Iterator[Counts]:
    """What the test counts."""
    before, counting = recorder._recorder, Counts()  # noqa: SLF001 - to put it back
    recorder.begin(counting)
    yield counting
    recorder.begin(before)


def _charge_while(scene: Scene, happens: Callable[[], object]) -> None:
    """Charge, while something happens between Stripe's response and our record of it."""
    pending = [happens]

    def clock() -> datetime:
        if pending and scene.events(types=["payment_intent.succeeded"]):
            pending.pop()()
        return scene.context.clock()

    replace(scene, context=replace(scene.context, clock=clock)).charge()
    assert not pending


def test_nothing_else_happens(scene: Scene, rows: Rows, counts: Counts) -> None:
    _charge_while(scene, lambda: None)
    assert rows.one(STORED) == {
        "status": "SUCCEEDED",
        "version": 2,
        "amount_captured": 5000,
        "attempt": "EXECUTED",
        "transitions": 1,
        "messages": 1,
    }
    assert (counts.totals[CAPTURED.name], counts.totals[ATTEMPTS.name]) == (5000, 1)


def test_its_events_are_processed_first(scene: Scene, rows: Rows, counts: Counts) -> None:
    _charge_while(scene, lambda: _require_processed(scene))
    stored = rows.one(STORED)
    assert (stored["status"], stored["attempt"], stored["amount_captured"]) == ("SUCCEEDED", "EXECUTED", 5000)
    assert (stored["transitions"], stored["messages"]) == (1, 1)
    assert (counts.totals[CAPTURED.name], counts.totals[ATTEMPTS.name]) == (5000, 1)


def _require_processed(scene: Scene) -> None:
    assert set(scene.deliver(scene.events(types=["payment_intent.succeeded"]))) == {"PROCESSED"}


def test_another_transaction_is_changing_the_payment(
    scene: Scene, rows: Rows, counts: Counts, database_url: str
) -> None:
    with closing(psycopg2.connect(database_url)) as other:
        committing = Thread(target=_commit_when_waited_for, args=[other, rows])

        def change() -> None:
            with other.cursor() as cursor:
                cursor.execute("UPDATE payment SET version = version + 1")
            committing.start()

        _charge_while(scene, change)
        committing.join()
    stored = rows.one(STORED)
    # What was read before the other's change is not written over it.
    assert (stored["status"], stored["attempt"], stored["version"]) == ("SUCCEEDED", "EXECUTED", 3)
    assert (stored["transitions"], stored["messages"]) == (1, 1)
    assert (counts.totals[CAPTURED.name], counts.totals[ATTEMPTS.name]) == (5000, 1)


def _commit_when_waited_for(other: "psycopg2.extensions.connection", rows: Rows) -> None:
    rows.wait_for("SELECT 1 FROM pg_locks WHERE NOT granted")
    other.commit()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE payment_attempt SET lease_token = lease_token + 1",
        "UPDATE payment_attempt SET status = 'ABSENT', next_action_at = NULL, finished_at = now()",
    ],
    ids=["the lease", "its end"],
)
def test_another_worker_has_it(scene: Scene, rows: Rows, counts: Counts, change: str) -> None:
    _charge_while(scene, lambda: rows(change))
    stored = rows.one(STORED)
    assert (stored["status"], stored["version"], stored["transitions"]) == ("REQUESTED", 1, 0)
    assert (counts.totals[CAPTURED.name], counts.totals[ATTEMPTS.name]) == (0, 0)
