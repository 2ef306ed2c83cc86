"""A reconciliation that Stripe does not answer waits for Stripe, whatever else its message has been through."""

from collections.abc import Callable
from typing import Final

import pytest

from tests.acceptance.scene import Scene

MORE_THAN_CELERY_GIVES: Final = 6
"""Retries that a message has behind it then: Celery's own limit for our tasks is five."""


@pytest.fixture
def scene(new_scene: Callable[..., Scene]) -> Scene:
    made = new_scene(PAYMENT_WORKER_VISIBILITY_TIMEOUT="8")
    return made.ready(made.worker())


def test_it_waits_more_often_than_celery_would_let_it(scene: Scene) -> None:
    scene.simulator.fault("unavailable", endpoint="payment_intents.list")
    sent = scene.producer.send("payment_worker.reconcile", "maintenance", {}, retries=MORE_THAN_CELERY_GIVES)
    scene.witness.wait_for_end([sent])
    assert scene.witness.counts([sent])["task-retried"] == 1
    assert scene.witness.counts([sent])["task-failed"] == 0
    assert scene.rows.one("SELECT finished_at FROM reconciliation_run")["finished_at"]
