"""What waited for the end of an outage or a pause is executed as fast as workers can, whatever a sweep may claim."""

from collections.abc import Callable
from contextlib import closing

import pytest

from payment_worker.devstack.waiting import wait_until
from payment_worker.flows.pauses import pause, resume
from payment_worker.store.connection.database import Database
from payment_worker.tasks.sweep_limits import RESUMED_PER_SECOND, limits_beside
from tests.acceptance.scene import Json, Scene

SWEEP_OF = 20


def test_a_full_sweep_has_the_next_one_begin_before_beat_enqueues_it(
    new_scene: Callable[..., Scene],
) -> None:
    scene = new_scene(PAYMENT_WORKER_RESUME_EVERY=f"{SWEEP_OF / RESUMED_PER_SECOND}")
    with closing(Database(scene.settings["DATABASE_URL"])) as database:
        pause(database, "charge", reason="backlog", actor="test", now=database.now())
        holder = scene.worker()
        scene.ready(holder)
        payment_ids = [scene.charge() for _ in range(SWEEP_OF + 10)]
        wait_until(lambda: len(_held(scene)) == len(payment_ids), seconds=25, what="all held")
        scene.wait_until_idle()
        holder.kill()  # it would believe in the pause for a moment more
        resume(database, ["charge"], actor="test", now=database.now())
    scene.ready(scene.worker())

    # The only one: beat does not run.
    scene.producer.send("payment_worker.resume_stalled", "maintenance", {})

    for payment_id in payment_ids:
        scene.payment(payment_id, "SUCCEEDED")
    scene.books.must_agree()


def test_no_sweep_follows_where_nothing_gets_on(new_scene: Callable[..., Scene]) -> None:
    scene = new_scene()
    with closing(Database(scene.settings["DATABASE_URL"])) as database:
        pause(database, "charge", reason="still", actor="test", now=database.now())
    scene.ready(scene.worker())
    payment_id = scene.charge()
    held = wait_until(lambda: _held(scene), seconds=25, what="held")[0]
    scene.wait_until_idle()

    scene.producer.send(
        "payment_worker.execute_attempt",
        "charges",
        {"attempt_id": held["attempt_id"], "lease_token": held["lease_token"], "then_sweep": True},
    )

    wait_until(lambda: scene.runs()["payment_worker.execute_attempt"] == 1, seconds=25, what="executed")
    scene.wait_until_idle()
    assert scene.payment(payment_id, "REQUESTED")
    assert scene.runs()["payment_worker.resume_stalled"] == 0


@pytest.mark.parametrize("sweep_seconds", [0.1, 1, 10])
@pytest.mark.parametrize("queue", ["charges", "refunds"])
def test_no_sweep_follows_beside_a_long_queue(queue: str, sweep_seconds: float) -> None:
    half = round(RESUMED_PER_SECOND * sweep_seconds) // 2
    empty = dict.fromkeys(("charges", "refunds", "events"), 0)
    short = limits_beside({**empty, queue: half}, sweep_seconds=sweep_seconds)
    long = limits_beside({**empty, queue: half + 1}, sweep_seconds=sweep_seconds)
    assert (short.may_be_followed, long.may_be_followed) == (True, False)


def _held(scene: Scene) -> list[Json]:
    return scene.rows("SELECT * FROM payment_attempt WHERE error_code = 'paused'")
