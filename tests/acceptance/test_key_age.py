"""K3: past its safe age a key is never sent again. Stripe is only asked what exists, and that decides."""

from collections.abc import Callable

import pytest

from payment_worker.devstack.waiting import wait_until
from tests.acceptance.scene import Json, Scene, a_charge, a_refund

SAFE_SECONDS = 2


@pytest.fixture(scope="module")
def scene(new_scene: Callable[..., Scene]) -> Scene:
    made = new_scene(PAYMENT_WORKER_KEY_SAFE_AGE=str(SAFE_SECONDS))
    return made.ready(made.worker(), made.beat())


@pytest.fixture(scope="module")
def unheard(scene: Scene) -> list[Json]:
    """Charges that Stripe never answers: the first two it makes all the same, the others it never hears of."""
    charges = [a_charge() for _ in range(4)]
    kinds = (("reset", "after"), ("hang", "after"), ("reset", "before"), ("hang", "before"))
    for charge, (kind, when) in zip(charges, kinds, strict=True):
        scene.fault(kind, charge=charge["payment_id"], when=when, times=None)
        scene.producer.charge(**charge)
    return charges


def test_a_charge_that_was_made_is_found(scene: Scene, unheard: list[Json]) -> None:
    for charge in unheard[:2]:
        scene.payment(charge["payment_id"], "SUCCEEDED")
        assert scene.history(charge["payment_id"]) == ["REQUESTED", "SUCCEEDED"]


def test_a_charge_that_was_never_made_fails_in_the_end(scene: Scene, unheard: list[Json]) -> None:
    for charge in unheard[2:]:
        scene.payment(charge["payment_id"], "FAILED")
        assert not any(post["effect"] for post in scene.posts(charge["payment_id"]))


def test_a_refund_that_was_made_is_found(scene: Scene) -> None:
    refund = a_refund(scene.paid(), amount=10)
    scene.fault("reset", refund=refund["refund_id"], when="after", times=None)
    scene.producer.refund(**refund)
    scene.refund_row(refund["refund_id"], "PROCESSED")
    assert len(scene.posts(refund["refund_id"])) > 1
    _no_post_is_late(scene, refund["refund_id"])


def test_nothing_is_sent_once_the_key_is_old(scene: Scene, unheard: list[Json]) -> None:
    for charge in unheard:
        _no_post_is_late(scene, charge["payment_id"])


def test_stripe_is_asked_what_exists_until_absence_is_sure(scene: Scene) -> None:
    charge = a_charge()
    scene.fault("reset", charge=charge["payment_id"], times=None)
    before = _lists(scene)
    scene.producer.charge(**charge)
    wait_until(lambda: _lists(scene) >= before + 2, seconds=20, what="two look-ups")
    scene.payment(charge["payment_id"], "FAILED")
    _no_post_is_late(scene, charge["payment_id"])
    scene.books.must_agree()


def _lists(scene: Scene) -> int:
    return sum(scene.simulator.get("requests").get("payment_intents.list", {}).values())


def _no_post_is_late(scene: Scene, identity: str) -> None:
    posts = scene.posts(identity)
    assert len({post["key"] for post in posts}) == 1
    assert max(post["at"] for post in posts) - posts[0]["at"] <= SAFE_SECONDS
