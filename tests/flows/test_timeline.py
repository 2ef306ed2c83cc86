"""What one asks about later is there: Stripe's request, the arguments of what was refused, and a count of each step."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from payment_worker.domain.attempts.outcome import Rejected
from payment_worker.flows.attempts.record_outcome import record
from payment_worker.flows.timeline import story_of
from payment_worker.store.records import attempts
from payment_worker.telemetry import recorder
from payment_worker.telemetry.metrics import PAYMENTS, REFUNDS
from payment_worker.telemetry.recorder import Metric
from tests.flows.scene import Scene
from tests.harness.rows import Rows


class Tally:
    """Keeps what this process counts."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, ...], float] = {}

    def add(self, what: Metric, labels: tuple[str, ...], by: float) -> None:
        key = (what.name, *labels)
        self.counts[key] = self.counts.get(key, 0) + by

    def observe(self, what: Metric, labels: tuple[str, ...], seconds: float) -> None:
        pass

    def of(self, what: Metric) -> dict[str, float]:
        """The counts of this one, by its label."""
        return {key[1]: many for key, many in self.counts.items() if key[0] == what.name}


@pytest.fixture
def tally() -> Iterator[Tally]:
    before = recorder._recorder  # noqa: SLF001 - there is one for each process
    recorder.begin(made := Tally())
    yield made
    recorder.begin(before)


def test_every_status_that_a_payment_or_refund_comes_to_is_counted(scene: Scene, tally: Tally) -> None:
    paid = scene.charge()
    scene.charge(payment_id=str(uuid4()), payment_method="pm_card_visa_chargeDeclined")
    scene.refund(paid, amount=700)
    scene.refund(paid, amount=5000)
    assert tally.of(PAYMENTS) == {"requested": 2, "succeeded": 1, "failed": 1}
    assert tally.of(REFUNDS) == {"requested": 1, "processed": 1, "failed": 1}


def test_a_refund_that_is_adopted_is_counted(scene: Scene, rows: Rows, tally: Tally) -> None:
    scene.charge()
    intent = rows.one("SELECT stripe_payment_intent_id AS id FROM payment")["id"]
    scene.simulator.post(f"payment_intents/{intent}/refund", {"amount": 700})
    scene.deliver(scene.events())
    assert tally.of(REFUNDS) == {"processed": 1}


def test_the_request_whose_answer_was_lost_is_named_for_stripes_support(scene: Scene, rows: Rows) -> None:
    scene.charge_unanswered(when="after")
    (sent,) = (each for each in scene.simulator.journal() if each["endpoint"] == "payment_intents.create")
    named = "SELECT stripe_request_id, status FROM payment_attempt"
    assert rows.one(named) == {"stripe_request_id": sent["request_id"], "status": "UNKNOWN"}
    scene.resume()
    assert rows.one(named) == {"stripe_request_id": sent["request_id"], "status": "EXECUTED"}


@pytest.mark.parametrize(
    ("action", "asked", "meanwhile"),
    [("capture", {"amount": 1234}, "cancel"), ("cancel", {"reason": "out of stock"}, "capture")],
)
def test_what_stripe_refused_is_kept_as_the_task_was_given_it(
    scene: Scene, rows: Rows, action: str, asked: dict[str, Any], meanwhile: str
) -> None:
    held = scene.charge(capture_method="manual")
    intent = rows.one("SELECT stripe_payment_intent_id AS id FROM payment")["id"]
    scene.simulator.post(f"payment_intents/{intent}/{meanwhile}")
    getattr(scene, action)(held, **asked)
    kept = rows.one("SELECT arguments FROM rejected_request")["arguments"]
    assert kept == {"payment_id": str(held), **asked}


def test_a_late_rejection_undoes_no_refund_that_an_event_has_shown(scene: Scene, rows: Rows) -> None:
    paid = scene.charge()
    deaf = [
        scene.simulator.fault("server_error", when="after", endpoint="refunds.create", times=None),
        scene.simulator.fault("unavailable", method="GET", times=None),
    ]
    scene.refund(paid, amount=700)
    scene.deliver(scene.events())
    for each in deaf:
        scene.simulator.delete(f"faults/{each}")
    row = rows.one("SELECT attempt_id FROM payment_attempt WHERE finished_at IS NULL")
    with scene.context.database.begin() as connection:
        locked = attempts.lock_unfinished(connection, row["attempt_id"])
    assert locked is not None
    record(scene.context, locked[1], Rejected("charge_already_refunded"), call_began_at=scene.clock())
    scene.resume()
    assert rows.one("SELECT status FROM refund")["status"] == "PROCESSED"
    assert rows.one("SELECT amount_refunded AS given FROM payment")["given"] == 700
    assert rows("SELECT 1 FROM payment_attempt WHERE finished_at IS NULL") == []
    assert rows("SELECT 1 FROM outbox WHERE type = 'RefundFailed'") == []


def test_a_finding_that_was_closed_is_told_when_it_was_found_and_when_it_was_closed(
    scene: Scene, rows: Rows
) -> None:
    payment_id = scene.charge()
    rows(
        "INSERT INTO reconciliation_finding (kind, object_id, payment_id, status, detail, found_at, resolved_at,"
        " closed_at, closed_by, close_reason) VALUES ('payment_amount_differs', 'pi_1', %s, 'CLOSED', '{}',"
        " now() - interval '1 hour', now(), now(), 'ada', 'a tip')",
        str(payment_id),
    )
    with scene.context.database.begin() as connection:
        lines = [line for line in story_of(connection, payment_id).entries if line.kind == "finding"]
    assert [(line.what, line.cause, line.actor) for line in lines] == [
        ("payment_amount_differs of pi_1", "an event or an answer", "payment_worker"),
        ("payment_amount_differs of pi_1 is CLOSED", "a tip", "ada"),
    ]
    assert lines[1].at - lines[0].at == timedelta(hours=1)


def test_a_charge_of_later_is_told_as_sent_then(scene: Scene) -> None:
    at = scene.clock() + timedelta(days=30)
    payment_id = scene.charge(not_before=at.isoformat())
    with scene.context.database.begin() as connection:
        last = story_of(connection, payment_id).entries[-1]
    assert (last.what, last.cause, last.is_ahead) == ("charge 1 is sent to Stripe", "not before then", True)
