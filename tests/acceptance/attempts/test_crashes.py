"""A worker that dies while Stripe is asked loses and doubles nothing: its work is finished under the same key."""

import os
import signal
from collections.abc import Callable

from tests.acceptance.scene import Scene
from tests.harness.producer import a_charge, a_refund

# A call that lasts longer than it takes to kill its caller, and ends before the caller's lease does.
SETTINGS = {
    "PAYMENT_WORKER_STRIPE_TIMEOUT": "2.5",
    "PAYMENT_WORKER_LEASE": "4",
    "PAYMENT_WORKER_ABSENCE_DELAY": "4",
}
NewScene = Callable[..., Scene]


class _UnderWay:
    """Two charges and two refunds that Stripe is just asked for.

    Of each, one takes effect before the death of its caller, and one after it.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.charges = [a_charge(), a_charge()]
        self.refunds = [a_refund(scene.paid(), amount=100), a_refund(scene.paid(), amount=200)]
        for when, charge, refund in zip(("before", "after"), self.charges, self.refunds, strict=True):
            scene.fault("latency", charge=charge["payment_id"], when=when, seconds=2)
            scene.fault("latency", refund=refund["refund_id"], when=when, seconds=2)
            scene.producer.charge(**charge)
            scene.producer.refund(**refund)
        self.ids = [each["payment_id"] for each in self.charges] + [
            each["refund_id"] for each in self.refunds
        ]
        for each in self.ids:
            scene.wait_for_post(each)

    def nothing_is_known(self) -> None:
        assert [self.scene.history(each) for each in self.ids] == [["REQUESTED"]] * 4

    def all_end_with_one_effect(self) -> None:
        scene = self.scene
        for charge in self.charges:
            scene.payment(charge["payment_id"], "SUCCEEDED")
        for refund in self.refunds:
            scene.refund_row(refund["refund_id"], "PROCESSED")
        for each in self.ids:
            posts = scene.posts(each)
            # Heard again, or found by a look-up: never under another key, never with another byte.
            assert len({(post["key"], post["body"]) for post in posts}) == 1
            assert sum(post["effect"] for post in posts) == 1
            assert len(scene.history(each)) == 2
        scene.books.must_agree()


def test_redelivery_alone_finishes_what_a_killed_worker_began(new_scene: NewScene) -> None:
    scene = new_scene(**SETTINGS, PAYMENT_WORKER_VISIBILITY_TIMEOUT="6")
    worker = scene.worker(pool="prefork", concurrency=4)
    scene.ready(worker)
    under_way = _UnderWay(scene)
    worker.kill()
    under_way.nothing_is_known()
    scene.ready(scene.worker(pool="prefork", concurrency=4))
    under_way.all_end_with_one_effect()
    assert all(len(scene.posts(each)) > 1 for each in under_way.ids)


def test_the_sweep_alone_finishes_what_redis_forgot_of_a_killed_worker(new_scene: NewScene) -> None:
    scene = new_scene(**SETTINGS)
    worker = scene.worker(pool="prefork", concurrency=4)
    scene.ready(worker)
    under_way = _UnderWay(scene)
    worker.kill()
    forgotten = [key for key in scene.redis.scan_iter() if key != "payment_worker.events"]
    scene.redis.delete(*forgotten)
    under_way.nothing_is_known()
    scene.ready(scene.worker(), scene.beat())
    under_way.all_end_with_one_effect()


def test_the_worker_finishes_what_its_killed_children_began(new_scene: NewScene) -> None:
    scene = new_scene(**SETTINGS)
    worker = scene.worker(pool="prefork", concurrency=4)
    scene.ready(worker)
    under_way = _UnderWay(scene)
    children = worker.descendants()
    assert len(children) == 4
    for child in children:
        os.kill(child, signal.SIGKILL)
    under_way.all_end_with_one_effect()
    assert worker.running
    assert not set(children) & set(worker.descendants())
