"""What is authorised is captured, given up or tried again exactly once, whatever happens on the way."""

from collections.abc import Mapping

import pytest

from tests.acceptance.commands.changes import CHANGES
from tests.acceptance.scene import Json, Scene

TROUBLES: Mapping[str, Json] = {
    "silence after the effect": {"kind": "hang", "when": "after"},
    "silence before it": {"kind": "hang", "when": "before"},
    "a stored 500 that hides the effect": {"kind": "server_error", "when": "after"},
    "a stored 500 that hides nothing": {"kind": "server_error", "when": "before"},
    "a connection that is cut": {"kind": "cut_connection", "when": "after"},
    "a key that is in use": {"kind": "conflict", "when": "before"},
}


@pytest.mark.parametrize("name", CHANGES)
def test_it_is_done_once_however_often_it_is_asked_for_at_once(scene: Scene, name: str) -> None:
    change = CHANGES[name]
    payment_id = change.begin(scene)
    message = {"task_id": f"00000000-0000-4000-8000-{sorted(CHANGES).index(name):012}"}
    sent = [change.send(scene, payment_id, **message) for _ in range(5)]
    scene.witness.wait_for_end(sent)
    change.ends_once(scene, payment_id)
    assert len({each["key"] for each in change.asked(scene, payment_id)}) == 1
    scene.wait_until_idle()
    assert scene.rows("SELECT 1 FROM rejected_request WHERE arguments->>'payment_id' = %s", payment_id) == []


@pytest.fixture(scope="module")
def troubled(scene: Scene) -> Mapping[tuple[str, str], str]:
    """A payment for each change and trouble, all on their way side by side."""
    begun = {(name, trouble): change for name, change in CHANGES.items() for trouble in TROUBLES}
    payments = {key: scene.charge(**change.charge) for key, change in begun.items()}
    for (name, trouble), payment_id in payments.items():
        change = CHANGES[name]
        scene.payment(payment_id, change.starts)
        metadata = {"payment_id": payment_id}
        scene.simulator.fault(endpoint=change.endpoint, metadata=metadata, **TROUBLES[trouble])
        change.send(scene, payment_id)
    return payments


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("name", CHANGES)
def test_it_is_done_once_in_spite_of(
    scene: Scene, troubled: Mapping[tuple[str, str], str], name: str, trouble: str
) -> None:
    change, payment_id = CHANGES[name], troubled[name, trouble]
    change.wait_until_answered(scene, payment_id)
    change.ends_once(scene, payment_id)


def test_it_may_be_asked_for_before_the_charge_is_answered(scene: Scene) -> None:
    payment_ids = []
    for change in (CHANGES["capture"], CHANGES["cancellation"]):
        payment_id = scene.charge(payment_method="pm_card_visa", capture_method="manual")
        scene.fault("latency", charge=payment_id, seconds=0.9)
        change.send(scene, payment_id)
        payment_ids.append(payment_id)
    scene.payment(payment_ids[0], "SUCCEEDED")
    scene.payment(payment_ids[1], "CANCELED")


def test_a_try_is_refused_while_the_charge_is_unknown(scene: Scene) -> None:
    unknown = scene.charge()
    silence = scene.fault("hang", charge=unknown, times=None)
    scene.rows.wait_for("SELECT 1 FROM payment_attempt WHERE payment_id = %s AND status = 'UNKNOWN'", unknown)
    sent = CHANGES["another try"].send(scene, unknown)
    scene.witness.wait_for_end([sent])
    kept = scene.rows.one("SELECT errors FROM rejected_request WHERE request_id = %s", sent)
    assert kept["errors"][0]["code"] == "attempt_unanswered"
    scene.simulator.delete(f"faults/{silence}")
    scene.payment(unknown, "SUCCEEDED")
    assert CHANGES["another try"].asked(scene, unknown) == []


def test_what_cannot_be_is_refused_and_the_payment_stays(scene: Scene) -> None:
    held, paid = CHANGES["capture"].begin(scene), scene.paid()
    wanted: dict[str, tuple[str, Json]] = {
        "amount_exceeds_authorized": ("payment_worker.capture", {"payment_id": held, "amount": 10_001}),
        "payment_succeeded": ("payment_worker.cancel", {"payment_id": paid}),
        "unknown_payment": ("payment_worker.capture", {"payment_id": "00000000-0000-4000-8000-999999999999"}),
    }
    sent = {code: scene.producer.send(task, "charges", given) for code, (task, given) in wanted.items()}
    scene.witness.wait_for_end(list(sent.values()), seconds=40)
    for code, message in sent.items():
        kept = scene.rows.one("SELECT errors FROM rejected_request WHERE request_id = %s", message)
        assert [error["code"] for error in kept["errors"]] == [code]
    assert [scene.history(held), scene.history(paid)] == [
        ["REQUESTED", "AUTHORIZED"],
        ["REQUESTED", "SUCCEEDED"],
    ]


def test_the_books_agree(scene: Scene) -> None:
    scene.books.must_agree()
