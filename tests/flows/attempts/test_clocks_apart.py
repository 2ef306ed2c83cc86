"""Absence hangs neither on our clock nor on what others may edit: nobody pays twice because a clock is wrong."""

import pytest

from payment_worker.flows.attempts.execute import run_claimed
from payment_worker.flows.context import Context
from payment_worker.flows.maintenance.sweep import claim_due
from tests.flows.limits import ALL_DUE
from tests.flows.scene import Scene
from tests.harness.rows import Rows

SECONDS_OF_A_ROUND = 100
ROUNDS = 12
"""Twenty minutes: much longer than absence is doubted where clocks agree."""

APART = [-7200, -400, 400, 7200]
"""How far Stripe's clock is ahead of ours."""

ATTEMPTS = "SELECT number, status, error_code FROM payment_attempt ORDER BY number"


def _sweep(scene: Scene) -> None:
    """What the sweep alone does, while time passes here and at Stripe."""
    for _ in range(ROUNDS):
        scene.advance(SECONDS_OF_A_ROUND)
        for each in claim_due(scene.context, ALL_DUE).attempts:
            run_claimed(scene.context, each.attempt_id, lease_token=each.lease_token)


def _stripes_clock(scene: Scene, *, ahead_seconds: float) -> None:
    scene.simulator.post("settings", {"clock_skew_seconds": ahead_seconds})


def _stored_error(scene: Scene, *, when: str, endpoint: str = "payment_intents.create") -> None:
    scene.simulator.fault("server_error", when=when, endpoint=endpoint)


@pytest.mark.parametrize("ahead", APART)
def test_a_charge_that_was_made_is_found_however_far_the_clocks_are_apart(
    scene: Scene, rows: Rows, ahead: float
) -> None:
    _stripes_clock(scene, ahead_seconds=ahead)
    _stored_error(scene, when="after")
    scene.charge()
    _sweep(scene)
    (intent,) = scene.simulator.ledger()["payment_intents"]
    assert intent["captured"] == 5000
    assert rows.one("SELECT status FROM payment")["status"] == "SUCCEEDED"


@pytest.mark.parametrize("ahead", APART)
def test_it_is_found_though_the_clock_was_set_right_in_the_meantime(
    scene: Scene, rows: Rows, ahead: float
) -> None:
    _stripes_clock(scene, ahead_seconds=ahead)
    scene.charge_unanswered()
    _stripes_clock(scene, ahead_seconds=0)
    _sweep(scene)
    assert len(scene.simulator.ledger()["payment_intents"]) == 1
    assert rows.one("SELECT status FROM payment")["status"] == "SUCCEEDED"


@pytest.mark.parametrize("ahead", APART)
def test_nothing_is_believed_absent_while_the_clocks_are_apart(
    scene: Scene, rows: Rows, ahead: float
) -> None:
    _stored_error(scene, when="before")
    _stripes_clock(scene, ahead_seconds=ahead)
    scene.charge()
    _sweep(scene)
    assert rows(ATTEMPTS) == [{"number": 1, "status": "UNKNOWN", "error_code": "clocks_apart"}]
    _stripes_clock(scene, ahead_seconds=0)
    _sweep(scene)
    assert rows.one("SELECT status FROM payment")["status"] == "SUCCEEDED"
    assert len(scene.simulator.ledger()["payment_intents"]) == 1


def test_clocks_that_differ_as_clocks_do_hold_nothing_up(scene: Scene, rows: Rows) -> None:
    _stored_error(scene, when="before")
    _stripes_clock(scene, ahead_seconds=20)
    scene.charge()
    _sweep(scene)
    assert rows.one("SELECT status FROM payment")["status"] == "SUCCEEDED"


def test_a_charge_whose_metadata_somebody_emptied_is_found_by_its_key(scene: Scene, rows: Rows) -> None:
    scene.charge_unanswered()
    (intent,) = scene.simulator.ledger()["payment_intents"]
    _emptied(scene, "payment_intents", intent["id"], ("payment_id", "order_id"))
    _sweep(scene)
    assert len(scene.simulator.ledger()["payment_intents"]) == 1
    assert rows.one("SELECT status FROM payment")["status"] == "SUCCEEDED"


def test_it_is_found_in_the_inbox_where_stripes_list_does_not_show_its_event_yet(
    scene: Scene, context: Context, rows: Rows
) -> None:
    scene.simulator.post("settings", {"event_lag_seconds": 1_000_000})
    scene.charge_unanswered()
    scene.deliver(scene.events(types=["payment_intent.created"]))
    (intent,) = scene.simulator.ledger()["payment_intents"]
    _emptied(scene, "payment_intents", intent["id"], ("payment_id", "order_id"))
    with context.database.begin() as connection:
        connection.exec_driver_sql("UPDATE payment SET stripe_payment_intent_id = NULL")
    _sweep(scene)
    assert len(scene.simulator.ledger()["payment_intents"]) == 1
    assert rows.one("SELECT status FROM payment")["status"] == "SUCCEEDED"


def test_a_refund_whose_metadata_somebody_emptied_is_found_by_its_key(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge()
    _stored_error(scene, when="after", endpoint="refunds.create")
    asking = scene.simulator.fault("unavailable", endpoint="refunds.list", times=None)
    scene.refund(payment_id, amount=100)
    scene.simulator.delete(f"faults/{asking}")
    (intent,) = scene.simulator.ledger()["payment_intents"]
    _emptied(scene, "refunds", intent["refunds"][0]["id"], ("refund_id", "payment_id"))
    _sweep(scene)
    (intent,) = scene.simulator.ledger()["payment_intents"]
    assert intent["refunded"] == 100
    assert rows.one("SELECT status FROM refund")["status"] == "PROCESSED"
    assert rows.one("SELECT count(*) AS n FROM payment_attempt WHERE action = 'refund'")["n"] == 1


def _emptied(scene: Scene, kind: str, object_id: str, names: tuple[str, ...]) -> None:
    """Somebody empties an object's metadata, in the dashboard or with another app's key."""
    body = {f"metadata[{name}]": "" for name in names}
    scene.at_stripe(f"/v1/{kind}/{object_id}", body)
