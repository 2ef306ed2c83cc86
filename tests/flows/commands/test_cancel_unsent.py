"""A charge that was never sent is canceled without Stripe; one that a worker may be sending is not."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import psycopg2
import pytest

from payment_worker.contracts.requests import CancelRequest, parse
from payment_worker.devstack.waiting import wait_until
from payment_worker.flows.attempts.execute import run_claimed
from payment_worker.flows.commands.cancel import cancel
from payment_worker.flows.commands.modify import Busy
from payment_worker.flows.maintenance.sweep import claim_due
from payment_worker.flows.pauses import pause, resume
from payment_worker.store.connection.database import Database
from payment_worker.store.records.attempts import DueAttempt
from tests.flows.limits import ALL_DUE
from tests.flows.scene import Scene
from tests.harness.rows import Rows

BLOCKED = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def _due(scene: Scene) -> tuple[UUID, DueAttempt]:
    payment_id = scene.charge(not_before=(scene.clock() + timedelta(seconds=60)).isoformat())
    scene.advance(61)
    (due,) = claim_due(scene.context, ALL_DUE).attempts
    return payment_id, due


def test_a_worker_that_claims_it_meanwhile_charges_it(scene: Scene, rows: Rows, database_url: str) -> None:
    payment_id, due = _due(scene)
    with (
        closing(psycopg2.connect(database_url)) as holder,
        closing(Database(database_url)) as another,
        ThreadPoolExecutor(2) as threads,
    ):
        with holder.cursor() as cursor:
            cursor.execute("SELECT 1 FROM payment_attempt FOR UPDATE")
        context = replace(scene.context, database=another)
        claim = threads.submit(run_claimed, context, due.attempt_id, lease_token=due.lease_token)
        wait_until(lambda: len(rows(BLOCKED)) == 1, seconds=25, what="the claim waits for the row")
        cancellation = threads.submit(scene.cancel, payment_id)
        wait_until(lambda: len(rows(BLOCKED)) == 2, seconds=25, what="the cancellation waits behind it")
        holder.rollback()
        claimed, canceled = claim.result(), cancellation.result()
    assert claimed
    assert (claimed.status, canceled.reason) == ("SUCCEEDED", "attempt_unanswered")
    assert rows.one("SELECT status, amount_captured FROM payment") == {
        "status": "SUCCEEDED",
        "amount_captured": 5000,
    }


@pytest.mark.parametrize("kind", ["all", "cancel"])
def test_while_cancellations_are_paused_it_waits(scene: Scene, rows: Rows, kind: str) -> None:
    payment_id, _ = _due(scene)
    database = scene.context.database
    pause(database, kind, reason="restored", actor="test", now=scene.clock())
    request = parse(CancelRequest, {"payment_id": str(payment_id)})
    answer = cancel(scene.context, request, message_id=uuid4(), wait_if_busy=False)
    assert isinstance(answer, Busy)
    assert rows.one("SELECT status FROM payment") == {"status": "REQUESTED"}
    resume(database, (), actor="test", now=scene.clock())
    assert scene.cancel(payment_id).status == "CANCELED"
    assert scene.simulator.journal() == []


def test_while_only_charges_are_paused_it_is_canceled(scene: Scene) -> None:
    payment_id, _ = _due(scene)
    pause(scene.context.database, "charge", reason="wrong prices", actor="test", now=scene.clock())
    assert scene.cancel(payment_id).status == "CANCELED"
    assert scene.simulator.journal() == []
