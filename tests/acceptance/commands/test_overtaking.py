"""A request that overtakes its charge is not refused: it waits as long as that charge may still come."""

from collections.abc import Callable
from typing import Final

import pytest

from payment_worker.devstack.waiting import wait_until
from tests.acceptance.scene import Json, Scene
from tests.harness.length import long
from tests.harness.producer import a_charge, a_refund

LONGEST_SECONDS: Final = 4
"""The longest that a task waits for its next run here: a quarter of the visibility timeout."""

LOOKS: Final = 5
"""One more than a request makes for a payment that nobody may be about to bring; it is made after 11 seconds here."""

HELD_SECONDS: Final = 6
"""As far ahead as a message may be meant to be run, which is half of the visibility timeout, and less."""

LOOKED_ENOUGH: Final = {"headers": {"payment_worker.looked": LOOKS}}
"""What a request comes with that has looked as often as it does in any case."""

AFTER_AN_OUTAGE: Final = 9
"""Retries that a message has behind it then."""

KINDS = pytest.mark.parametrize("kind", [long("capture"), "refund"])


@pytest.fixture(scope="module")
def scene(new_scene: Callable[..., Scene]) -> Scene:
    made = new_scene(PAYMENT_WORKER_VISIBILITY_TIMEOUT=str(4 * LONGEST_SECONDS))
    return made.ready(made.worker(queues="refunds,maintenance"), made.beat())


def _a_charge(kind: str) -> Json:
    return a_charge(capture_method="manual" if kind == "capture" else "automatic")


def _send(scene: Scene, kind: str, charge: Json, **options: object) -> str:
    asked = {"payment_id": charge["payment_id"], "amount": 99}
    if kind == "capture":
        return scene.producer.send("payment_worker.capture", "charges", asked, **options)
    refund = a_refund(charge["payment_id"], amount=99)
    return scene.producer.send("payment_worker.refund", "refunds", refund, **options)


def _has_looked(scene: Scene, message_id: str, times: int) -> None:
    def enough() -> bool:
        return scene.witness.counts([message_id])["task-retried"] >= times

    wait_until(enough, seconds=40, what=f"{times} looks for a charge")


def _is_met(scene: Scene, kind: str, charge: Json) -> None:
    amount = {"capture": "amount_captured", "refund": "amount_refunded"}[kind]
    scene.rows.wait_for(
        f"SELECT 1 FROM payment WHERE payment_id = %s AND {amount} = 99",  # noqa: S608 ours
        charge["payment_id"],
    )
    assert scene.rows("SELECT * FROM rejected_request") == []


def test_a_refund_waits_while_charges_are_queued(scene: Scene) -> None:
    charge = _a_charge("refund")
    scene.producer.charge(**charge)
    refund = _send(scene, "refund", charge)
    _has_looked(scene, refund, LOOKS)
    assert scene.rows("SELECT * FROM rejected_request") == []
    scene.ready(scene.worker(queues="charges"))
    _is_met(scene, "refund", charge)


@KINDS
def test_it_waits_while_a_worker_holds_its_charge_for_later(scene: Scene, kind: str) -> None:
    charge = _a_charge(kind)
    held = scene.producer.send("payment_worker.charge", "charges", charge, countdown=HELD_SECONDS)
    wait_until(lambda: scene.witness.counts([held])["task-received"], what="a worker that holds the charge")
    _has_looked(scene, _send(scene, kind, charge, **LOOKED_ENOUGH), 1)
    _is_met(scene, kind, charge)


@KINDS
def test_outages_that_it_met_before_do_not_count(scene: Scene, kind: str) -> None:
    charge = _a_charge(kind)
    sent = _send(scene, kind, charge, retries=AFTER_AN_OUTAGE)
    _has_looked(scene, sent, 1)
    scene.producer.charge(**charge)
    _is_met(scene, kind, charge)


def test_lookups_of_its_charge_leave_its_own_tries(scene: Scene) -> None:
    charge = _a_charge("capture")
    scene.fault("unavailable", charge=charge["payment_id"], times=3)
    scene.producer.charge(**charge)
    scene.payment(charge["payment_id"], "REQUESTED")
    _has_looked(scene, _send(scene, "capture", charge, **LOOKED_ENOUGH), 1)
    _is_met(scene, "capture", charge)


@KINDS
def test_it_is_refused_when_no_charge_comes(scene: Scene, kind: str) -> None:
    charge = _a_charge(kind)
    sent = _send(scene, kind, charge)
    kept = scene.rows.wait_for("SELECT * FROM rejected_request WHERE request_id = %s", sent)
    assert [error["code"] for error in kept["errors"]] == ["unknown_payment"]
