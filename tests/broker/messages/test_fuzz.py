"""No message ends a worker, whatever its envelope says: each is run, or kept as rejected.

Upstream, celery 5.7.0: `stamped_headers: [["a"]]` ends one worker after the other.
`BROKER_FUZZ_MESSAGES=100000 BROKER_FUZZ_SEED=7` tries more, and others.
"""

import os
from functools import partial
from itertools import islice

import pytest

from payment_worker.devstack.processes import Process
from payment_worker.devstack.waiting import wait_until
from tests.broker.messages.fuzz import messages
from tests.broker.messages.raw import QUEUE
from tests.broker.scene import Scene
from tests.harness.length import examples

MESSAGES = int(os.environ.get("BROKER_FUZZ_MESSAGES", examples(1000, long=100_000)))
SEED = int(os.environ.get("BROKER_FUZZ_SEED", "1"))
AT_ONCE = 1_000


@pytest.mark.timeout(120 + MESSAGES / 20)
def test_each_is_run_or_kept_by_one_worker(scene: Scene) -> None:
    worker = scene.worker(pool="threads", concurrency=4, visibility_seconds=600)
    stream, sent = messages(SEED, MESSAGES), 0

    while batch := list(islice(stream, AT_ONCE)):
        scene.broker.lpush(QUEUE, *batch)
        sent += len(batch)
        wait_until_over(scene, worker, sent)

    scene.wait_until_empty()
    assert scene.over() == MESSAGES
    assert "Connection to broker lost" not in worker.output()
    assert "Traceback" not in worker.output()


def wait_until_over(scene: Scene, worker: Process, sent: int) -> None:
    """Wait until so many messages were run or kept, by this worker: as long as it goes on, however slowly."""
    over = scene.over()
    while over < sent:
        wait_until(partial(_is_further, scene, worker, over), seconds=120, what="one more message over")
        assert worker.running, worker.output()[-3_000:]
        over = scene.over()


def _is_further(scene: Scene, worker: Process, over: int) -> bool:
    return not worker.running or scene.over() > over
