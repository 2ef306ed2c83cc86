"""When Redis goes away, the worker stays, finishes what it runs, and consumes again as soon as Redis is back.

Upstream, celery 5.7.0 and kombu 5.7.0: a busy worker ends with status 1; a task that runs while its connection is
cut is begun a second time; on a half-open connection the worker waits for ever; an error of Redis ends it; a
connection that is lost just when a child ends ends the worker too.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from payment_worker.devstack.servers.valkey import Valkey
from payment_worker.devstack.waiting import wait_until
from tests.broker.scene import Scene
from tests.harness.fault_proxy import FaultProxy
from tests.harness.length import long


@pytest.mark.parametrize("pool", ["prefork", long("threads")])
def test_a_busy_worker_survives_an_outage(
    pool: str, own_scene: Scene, own_valkey: Valkey, redis_url: str, tmp_path: Path
) -> None:
    alive = tmp_path / "alive"
    # A result backend, for with one Celery may cancel what runs when the connection is lost.
    settings = {"PAYMENT_WORKER_LIVENESS_FILE": str(alive), "PAYMENT_WORKER_RESULT_BACKEND": redis_url}
    worker = own_scene.worker(pool=pool, settings=settings)
    own_scene.send("work", "running", seconds=4)
    own_scene.send("work", "later", countdown=2)
    own_scene.wait_for("begun", "running")
    wait_until(lambda: own_scene.unacknowledged() == 2)

    own_valkey.kill()
    worker.wait_for_output("Cannot connect|Connection to broker lost")
    before = alive.stat().st_mtime_ns
    wait_until(lambda: alive.stat().st_mtime_ns > before, what="a sign of life without Redis")
    own_valkey.start()

    own_scene.wait_for("ended", "running", "later")
    own_scene.send("work", "afterwards")
    own_scene.wait_for("ended", "afterwards")
    own_scene.wait_until_empty()
    assert worker.running
    assert own_scene.said("begun").count("running") == 1


def test_a_worker_survives_an_outage_while_a_child_is_ending(own_scene: Scene, own_valkey: Valkey) -> None:
    worker = own_scene.worker()
    own_scene.send("fade", "fading", seconds=4)
    own_scene.wait_for("begun", "fading")

    own_valkey.kill()
    worker.wait_for_output("Cannot connect|Connection to broker lost")
    own_valkey.start()

    own_scene.send("work", "afterwards")
    own_scene.wait_for("ended", "afterwards", "fading")
    own_scene.wait_until_empty()
    assert worker.running


def test_a_task_that_runs_while_its_connection_is_cut_is_not_begun_again(
    scene: Scene, fault_proxy: Callable[[str], FaultProxy]
) -> None:
    proxy = fault_proxy(scene.broker_url)
    worker = scene.worker(through=proxy.url)
    scene.send("work", "running", seconds=3)
    scene.wait_for("begun", "running")

    proxy.cut()
    worker.wait_for_output("Connection to broker lost")
    scene.send("work", "beside")
    scene.wait_for("ended", "beside", "running")

    scene.wait_until_empty()
    assert scene.said("begun").count("running") == 1


def test_a_half_open_connection_is_given_up(scene: Scene, fault_proxy: Callable[[str], FaultProxy]) -> None:
    proxy = fault_proxy(scene.broker_url)
    worker = scene.worker(through=proxy.url, settings={"BROKER_APP_PATIENCE": "1"})

    proxy.blackhole()
    worker.wait_for_output("Connection to broker lost")
    proxy.forward()
    scene.send("work", "afterwards")

    scene.wait_for("ended", "afterwards")
    assert worker.running


def test_a_full_redis_ends_no_worker_and_loses_no_message(own_scene: Scene) -> None:
    worker = own_scene.worker(concurrency=1)
    own_scene.send("work", "first", seconds=1)
    own_scene.send("work", "second", seconds=1)
    own_scene.wait_for("begun", "first")

    own_scene.broker.config_set("maxmemory", "1")
    own_scene.wait_for("ended", "first", "second")
    own_scene.broker.config_set("maxmemory", "0")
    own_scene.send("work", "afterwards")

    own_scene.wait_for("ended", "afterwards")
    own_scene.wait_until_empty()
    assert worker.running


def test_a_task_that_cannot_be_enqueued_again_keeps_its_message(own_scene: Scene) -> None:
    """Upstream, celery 5.7.0: the message is rejected, and there is no other."""
    own_scene.worker(concurrency=1)
    own_scene.send("strand", "stranded")
    own_scene.wait_for("rejected", "stranded")
    own_scene.broker.config_set("maxmemory", "0")

    own_scene.send("work", "afterwards")
    own_scene.wait_for("ended", "afterwards")
    wait_until(lambda: own_scene.unacknowledged() == 1, what="one message that is still there")
