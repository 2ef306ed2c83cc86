"""K3, K9: past its safe age a key is never sent again. Stripe is only asked what exists, and that decides, in time."""

from collections.abc import Callable, Mapping

import pytest

from tests.acceptance.scene import Json, Scene
from tests.harness.producer import a_charge, a_refund

SAFE_SECONDS = 2
# Each as long as the test lasts, or with an effect that comes when Stripe has already been asked what exists.
MADE: Mapping[str, Json] = {
    "is reset": {"kind": "reset", "when": "after", "times": None},
    "never comes": {"kind": "hang", "when": "after", "times": None},
    "would come after its effect, late": {"kind": "latency", "seconds": 3.6},
}
NEVER_MADE: Mapping[str, Json] = {
    "is reset": {"kind": "reset", "times": None},
    "never comes": {"kind": "hang", "times": None},
}


@pytest.fixture(scope="module")
def scene(new_scene: Callable[..., Scene]) -> Scene:
    made = new_scene(PAYMENT_WORKER_KEY_SAFE_AGE=str(SAFE_SECONDS))
    return made.ready(made.worker(), made.beat())


@pytest.fixture(scope="module")
def sent(scene: Scene) -> Mapping[tuple[str, bool], tuple[str, str]]:
    """By what becomes of its answer, and whether Stripe made it: a charge's payment, and a refund."""
    faults = {
        (name, made): fault
        for made in (True, False)
        for name, fault in (MADE if made else NEVER_MADE).items()
    }
    paid = {about: scene.paid() for about in faults}
    requests = {}
    for about, fault in faults.items():
        charge, refund = a_charge(), a_refund(paid[about], amount=100)
        scene.fault(charge=charge["payment_id"], **fault)
        scene.fault(refund=refund["refund_id"], **fault)
        scene.producer.charge(**charge)
        scene.producer.refund(**refund)
        requests[about] = charge["payment_id"], refund["refund_id"]
    return requests


Sent = Mapping[tuple[str, bool], tuple[str, str]]


@pytest.mark.parametrize("answer", MADE)
def test_what_was_made_is_found_though_its_answer(scene: Scene, sent: Sent, answer: str) -> None:
    payment_id, refund_id = sent[answer, True]
    scene.payment(payment_id, "SUCCEEDED")
    scene.refund_row(refund_id, "PROCESSED")
    for each in (payment_id, refund_id):
        assert len(scene.history(each)) == 2
        assert sum(post["effect"] for post in scene.posts(each)) == 1
        _no_post_is_late(scene, each)


@pytest.mark.parametrize("answer", NEVER_MADE)
def test_what_was_never_made_fails_once_that_is_sure_and_its_answer(
    scene: Scene, sent: Sent, answer: str
) -> None:
    payment_id, refund_id = sent[answer, False]
    scene.payment(payment_id, "FAILED")
    assert scene.refund_row(refund_id, "FAILED")["failure_reason"] == "never_executed_by_stripe"
    for each in (payment_id, refund_id):
        assert not any(post["effect"] for post in scene.posts(each))
        _no_post_is_late(scene, each)


@pytest.mark.usefixtures("sent")
def test_stripe_was_asked_what_exists_by_list_and_never_by_search(scene: Scene) -> None:
    asked = scene.simulator.get("requests")
    assert sum(asked["payment_intents.list"].values()) > len(NEVER_MADE)
    assert sum(asked["refunds.list"].values()) > len(NEVER_MADE)
    assert not any("search" in endpoint or endpoint == "unknown" for endpoint in asked)
    scene.books.must_agree()


def _no_post_is_late(scene: Scene, identity: str) -> None:
    posts = scene.posts(identity)
    assert len({post["key"] for post in posts}) == 1
    assert max(post["at"] for post in posts) - posts[0]["at"] <= SAFE_SECONDS
