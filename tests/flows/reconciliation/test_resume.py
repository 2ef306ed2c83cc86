"""A reconciliation that is killed, crowded or left alone by Stripe is gone on with, and leaves no gap."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from payment_worker.devstack.processes import Process
from payment_worker.devstack.programs import python_module
from payment_worker.devstack.waiting import wait_until
from payment_worker.flows.context import Context
from payment_worker.flows.reconciliation.run import Reconciled, Step, reconcile
from payment_worker.store.connection.advisory_lock import RECONCILE_LOCK, alone
from payment_worker.store.connection.database import Database
from payment_worker.store.reconciliation.reconciliation_runs import Run
from tests.flows.scene import Scene
from tests.harness.producer import Producer
from tests.harness.rows import Rows


def test_a_killed_run_is_gone_on_with_where_it_was(scene: Scene, rows: Rows, context: Context) -> None:
    for _ in range(3):
        scene.refund(scene.charge(), amount=700)
    world_end = context.clock() + timedelta(minutes=1)
    begin = world_end - timedelta(days=1)
    steps: list[str] = []

    def go(stop_after: int) -> Reconciled:
        pages = 0

        def on_page(run: Run) -> bool:
            nonlocal pages
            pages += 1
            steps.append(run.step)
            return pages < stop_after

        done = reconcile(context, since=begin, until=world_end, on_page=on_page)
        assert done is not None
        return done

    while not go(stop_after=1).run.is_finished:
        pass

    run = rows.one("SELECT * FROM reconciliation_run")
    assert (run["status"], run["payments"], run["refunds"]) == ("FINISHED", 3, 3)
    assert steps == list(Step)[1:]


def test_a_run_that_somebody_left_is_finished_by_the_next_scheduled_one(
    scene: Scene, rows: Rows, context: Context
) -> None:
    scene.charge()
    now = context.clock()
    since = now - timedelta(days=2)
    reconcile(context, since=since, until=now, on_page=lambda _: False)
    done = reconcile(context, since=None, until=None, on_page=lambda _: True)
    assert done is not None
    assert done.run.is_scheduled
    assert [row["status"] for row in rows("SELECT status FROM reconciliation_run")] == ["FINISHED"] * 2


def test_scheduled_runs_leave_no_gap_between_them(scene: Scene, rows: Rows, context: Context) -> None:
    scene.charge()
    for _ in range(3):
        reconcile(context, since=None, until=None, on_page=lambda _: True)
        scene.clock.advance(3600)
    runs = rows("SELECT since, until FROM reconciliation_run ORDER BY run_id")
    for before, after in pairwise(runs):
        assert after["since"] <= before["until"] < after["until"]
    first = rows.one("SELECT min(created_at) AS at FROM payment")
    assert runs[0]["since"] < first["at"]


def test_what_stripe_made_by_a_clock_that_is_ahead_of_ours_is_compared(
    scene: Scene, rows: Rows, context: Context
) -> None:
    scene.charge()
    scene.simulator.advance(60)
    intent = rows.one("SELECT stripe_payment_intent_id AS id FROM payment")["id"]
    scene.simulator.post(f"payment_intents/{intent}/refund", {"amount": 100})
    done = reconcile(context, since=None, until=None, on_page=lambda _: True)
    assert done is not None
    assert done.run.refunds == 1


def test_while_stripe_is_unreachable_the_run_waits_where_it_is(
    scene: Scene, rows: Rows, context: Context
) -> None:
    scene.charge()
    scene.simulator.fault("unavailable", endpoint="refunds.list")
    waits = reconcile(context, since=None, until=None, on_page=lambda _: True)
    assert waits is not None
    assert waits.stripe_is_unreachable
    assert rows.one("SELECT step, status FROM reconciliation_run") == {"step": "refunds", "status": "RUNNING"}
    done = reconcile(context, since=None, until=None, on_page=lambda _: True)
    assert done is not None
    assert done.run.is_finished
    assert done.run.payments == 1


def test_c6_a_second_reconciliation_at_the_same_time_leaves_at_once(
    context: Context, database_url: str
) -> None:
    elsewhere = Database(database_url)
    with alone(elsewhere, RECONCILE_LOCK):
        assert reconcile(context, since=None, until=None, on_page=lambda _: True) is None
    elsewhere.close()


def test_pages_and_connected_accounts_are_all_gone_through(
    scene: Scene, rows: Rows, context: Context
) -> None:
    for _ in range(3):
        scene.charge(stripe_account="acct_one", payment_method="pm_card_processing")
    scene.charge(payment_method="pm_card_processing")
    for _ in range(120):
        scene.simulator.post(
            "payment_intents",
            {"amount": 700, "currency": "eur", "payment_method": "pm_card_visa", "confirm": False},
        )
    scene.simulator.advance(60)
    done = reconcile(context, since=None, until=None, on_page=lambda _: True)
    assert done is not None
    assert (done.run.payments, done.run.repaired) == (4, 4)
    assert {row["status"] for row in rows("SELECT status FROM payment")} == {"SUCCEEDED"}
    asked = scene.simulator.get("requests")
    assert asked["payment_intents.list"]["200"] == 3


def test_a_worker_reconciles_when_it_is_asked_to(
    scene: Scene, rows: Rows, producer: Producer, worker: Callable[..., Process]
) -> None:
    scene.charge(payment_method="pm_card_processing")
    scene.simulator.advance(60)
    worker(pool="threads")
    since = (scene.clock() - timedelta(hours=1)).isoformat()
    producer.send("payment_worker.reconcile", "maintenance", {"since": since})
    run = rows.wait_for("SELECT * FROM reconciliation_run WHERE status = 'FINISHED'")
    assert (run["payments"], run["repaired"]) == (1, 1)
    assert rows.one("SELECT status FROM payment")["status"] == "SUCCEEDED"


def test_a_run_whose_process_was_killed_is_gone_on_with(
    *, scene: Scene, rows: Rows, context: Context, environment: dict[str, str], tmp_path: Path
) -> None:
    scene.refund(scene.charge(payment_method="pm_card_refundFail"), amount=700)
    scene.simulator.advance(60)
    scene.simulator.fault("hang", endpoint="refunds.list")
    since = (context.clock() - timedelta(days=1)).isoformat()
    killed = python_module(
        *("payment_worker", "reconcile", "--since", since),
        directory=tmp_path,
        name="reconcile",
        ready=lambda: bool(rows("SELECT 1 FROM reconciliation_run WHERE step = 'refunds'")),
        settings=environment,
    )
    with killed.start():
        killed.wait_ready()
    assert rows.one("SELECT status, payments FROM reconciliation_run") == {"status": "RUNNING", "payments": 1}

    def gone_on() -> Reconciled | None:
        # PostgreSQL notices within moments that the killed one's connection is gone, and frees its lock.
        return reconcile(context, since=None, until=None, on_page=lambda _: True)

    assert wait_until(gone_on)
    first, *_ = rows("SELECT * FROM reconciliation_run ORDER BY run_id")
    assert (first["status"], first["payments"], first["refunds"]) == ("FINISHED", 1, 1)
    assert rows.one("SELECT status FROM refund")["status"] == "FAILED"
