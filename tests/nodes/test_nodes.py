"""Whatever node of a deployment is killed or restarted, each charge is made once and recorded.

The same tests run on processes (`make test`) and on containers of our image (`make test-docker`).
"""

import pytest
from pytest_celery import CeleryTestSetup, CeleryWorkerCluster

from tests.nodes.world import World


def test_a_charge_and_its_refund_are_made_and_recorded(world: World) -> None:
    payment_id = world.charge()
    world.wait_until_paid(payment_id)
    world.wait_until_refunded(world.refund(payment_id, amount=99))
    world.must_agree()


def test_a_killed_worker_finishes_what_it_began_once_it_is_restarted(
    celery_setup: CeleryTestSetup, world: World
) -> None:
    world.simulator.fault("latency", endpoint="payment_intents.create", when="after", seconds=2, times=2)
    charges = [world.charge(), world.charge()]
    world.wait_until_asked(*charges)
    celery_setup.worker.kill()
    celery_setup.worker.restart()
    world.wait_until_paid(*charges)
    world.must_agree()


@pytest.mark.long
def test_what_waits_in_a_broker_that_is_restarted_is_charged(
    celery_setup: CeleryTestSetup, world: World
) -> None:
    world.simulator.fault("latency", endpoint="payment_intents.create", when="after", seconds=2, times=2)
    charges = [world.charge() for _ in range(6)]
    world.wait_until_asked(*charges[:2])
    celery_setup.broker.restart()
    later = world.charge()
    world.wait_until_paid(*charges, later)
    world.must_agree()


@pytest.mark.long
def test_two_workers_share_what_waits_and_double_nothing(
    two_workers: CeleryWorkerCluster, world: World
) -> None:
    world.simulator.post("settings", {"latency_seconds": 0.5})
    charges = [world.charge(copies=3) for _ in range(8)]
    world.wait_until_paid(*charges)
    for worker in two_workers:
        worker.assert_log_exists("payment_worker.charge")
    world.must_agree()
