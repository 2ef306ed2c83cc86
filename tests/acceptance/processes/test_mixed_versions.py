"""An upgrade without a pause: this version meets what the one before left, and a database that is ahead or behind.

The steps are those of `docs/how-to/upgrade.md`.
"""

import subprocess
import sys
from collections.abc import Callable, Mapping

from payment_worker.devstack.programs import clean_environment
from payment_worker.devstack.waiting import wait_until
from payment_worker.store.connection import migrate
from tests.acceptance.scene import FORGETFUL, Json, Scene

EVERY_SECOND = {"PAYMENT_WORKER_POLL_EVERY": "1", "PAYMENT_WORKER_RECONCILE_EVERY": "1"}
NewScene = Callable[..., Scene]


def test_a_message_of_a_newer_worker_may_say_more(new_scene: NewScene) -> None:
    scene = new_scene()
    scene.ready(scene.worker())
    of_ours: Mapping[tuple[str, str], Json] = {
        ("execute_attempt", "charges"): {"attempt_id": 1_000_000, "lease_token": 1},
        ("retry_declined", "charges"): {"attempt_id": 1_000_000},
        ("continue_refund", "refunds"): {"refund_id": "0d6b1f53-7f5d-4d1e-9a55-6f0b4b7a7e71"},
        ("process_event", "events"): {"stripe_account": "", "event_id": "evt_1", "lease_token": 1},
    }
    sent = [
        scene.producer.send(f"payment_worker.{task}", queue, {**arguments, "added_later": {"a": 1}})
        for (task, queue), arguments in of_ours.items()
    ]
    scene.producer.send("payment_worker.process_events", "events", {"added_later": {"a": 1}})
    scene.witness.wait_for_end(sent)
    assert scene.witness.counts(sent)["task-succeeded"] == len(sent)
    # Housekeeping sends no task events.
    wait_until(lambda: scene.runs()["payment_worker.process_events"] == 1, seconds=20, what="its run")
    assert scene.rows("SELECT * FROM rejected_request") == []


def test_a_worker_goes_on_when_a_newer_version_expands_its_database(new_scene: NewScene) -> None:
    scene = new_scene(**EVERY_SECOND, **FORGETFUL)
    scene.ready(scene.worker(), scene.beat())
    scene.hand_on_webhooks()
    before = [scene.charge() for _ in range(3)]
    _expand(scene)

    unknown = scene.charge(metadata={"answer": "lost"})
    scene.fault("reset", when="after", charge=unknown)
    authorized = scene.charge(capture_method="manual")
    scene.payment(authorized, "AUTHORIZED")
    scene.producer.send("payment_worker.capture", "charges", {"payment_id": authorized})
    for payment_id in [*before, unknown, authorized]:
        scene.payment(payment_id, "SUCCEEDED")
        scene.refund_row(scene.refund(payment_id, amount=100), "PROCESSED")
    scene.rows.wait_for("SELECT 1 FROM reconciliation_run WHERE status = 'FINISHED' HAVING count(*) > 1")
    scene.books.must_agree()

    assert "unknown to this version" in _command(scene, "doctor")
    assert "SUCCEEDED" in _command(scene, "show", authorized)
    assert _is_pruned(scene, authorized)
    # The release step of whoever goes back to this version.
    assert "The Payment Database stays at newer." in _command(scene, "migrate")


def test_a_worker_that_is_newer_than_its_database_waits_for_the_migration(new_scene: NewScene) -> None:
    scene = new_scene()
    database_url = scene.settings["DATABASE_URL"]
    migrate.downgrade(database_url, "base")
    scene.ready(scene.worker(), scene.beat())
    payment_id = scene.charge()
    scene.wait_for_event("task-retried", "payment_worker.charge", payment_id)

    migrate.upgrade(database_url)

    scene.payment(payment_id, "SUCCEEDED", seconds=60)
    scene.books.must_agree()


def _expand(scene: Scene) -> None:
    """What a migration may do while the version before still works: add columns and tables."""
    for row in scene.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        if row["tablename"] != "alembic_version":
            scene.rows(
                f"ALTER TABLE {row['tablename']} ADD added_later text, ADD counted_later int NOT NULL DEFAULT 0"
            )
    scene.rows("CREATE TABLE made_later (payment_id uuid PRIMARY KEY REFERENCES payment)")
    scene.rows("UPDATE alembic_version SET version_num = 'newer'")


def _is_pruned(scene: Scene, payment_id: str) -> bool:
    query = "SELECT 1 FROM payment_history_archive WHERE payment_id = %s"

    scene.close_books()

    def archived() -> bool:
        scene.witness.wait_for_end([scene.producer.send("payment_worker.prune", "maintenance", {})])
        return bool(scene.rows(query, payment_id))

    return wait_until(archived, seconds=30, every_seconds=0.1, what="an archive")


def _command(scene: Scene, *arguments: str) -> str:
    """What an operator types, and what is printed."""
    command = [sys.executable, "-m", "payment_worker", *arguments]
    settings = clean_environment(scene.settings)
    done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
