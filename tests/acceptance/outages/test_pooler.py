"""Behind PgBouncer in transaction mode, set up as `docs/how-to/deploy.md` says, everything holds that holds without."""

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.devstack.servers.valkey import Valkey
from payment_worker.store.connection.advisory_lock import POLL_LOCK, alone
from payment_worker.store.connection.database import Database
from tests.acceptance.scene import PATIENT, Scene
from tests.harness.pooler import Pooler
from tests.harness.rows import Rows

MOST = 5


@pytest.fixture
def pooler(own_postgresql: PostgreSQL) -> Iterator[Pooler]:
    # Not under pytest's own directory, which nobody else may enter.
    with (
        tempfile.TemporaryDirectory() as directory,
        Pooler(own_postgresql, Path(directory), most=MOST) as running,
    ):
        yield running


@pytest.fixture
def database(pooler: Pooler) -> Iterator[Database]:
    with closing(Database(pooler.url)) as reached:
        yield reached


@pytest.fixture
def directly(own_postgresql: PostgreSQL) -> Iterator[Rows]:
    with closing(Rows(own_postgresql.url("payments"))) as rows:
        yield rows


@pytest.fixture
def scene(pooler: Pooler, own_valkey: Valkey, simulator: Simulator, tmp_path: Path) -> Iterator[Scene]:
    made = Scene(
        database_url=pooler.url,
        redis_url=own_valkey.url(),
        simulator=simulator,
        directory=tmp_path,
        settings={
            **PATIENT,
            "PAYMENT_WORKER_POLL_EVERY": "1",
            "PAYMENT_WORKER_RECONCILE_EVERY": "1",
        },
    )
    yield made
    made.close()


def test_two_workers_and_beat_share_a_few_connections(scene: Scene, directly: Rows) -> None:
    scene.ready(scene.worker(), scene.worker(), scene.beat())
    scene.hand_on_webhooks()
    payment_ids = [scene.charge(copies=2) for _ in range(20)]
    for payment_id in payment_ids:
        scene.payment(payment_id, "SUCCEEDED")
    for refund_id in [scene.refund(each, amount=100, copies=2) for each in payment_ids]:
        scene.refund_row(refund_id, "PROCESSED")
    scene.rows.wait_for("SELECT 1 FROM reconciliation_run WHERE status = 'FINISHED' HAVING count(*) > 1")
    query = (
        "SELECT count(*) AS many FROM pg_stat_activity WHERE datname = 'payments' AND pid <> pg_backend_pid()"
    )
    assert 1 <= directly.one(query)["many"] <= MOST
    scene.books.must_agree()


def test_work_that_one_does_at_a_time_is_done_by_one_and_free_again(
    pooler: Pooler, database: Database, directly: Rows
) -> None:
    with closing(Database(pooler.url)) as elsewhere:
        with alone(database, POLL_LOCK) as is_ours, alone(elsewhere, POLL_LOCK) as is_theirs:
            assert (is_ours, is_theirs) == (True, False)
        with elsewhere.begin() as busy:
            # Whoever asks now gets another connection to the server than that which was used last.
            busy.execute(text("SELECT 1"))
            with alone(database, POLL_LOCK) as is_ours:
                assert is_ours
    assert directly("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'") == []


def test_it_limits_the_time_of_statements_and_locks(database: Database) -> None:
    with database.begin() as connection:
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            direct = {"statement_timeout": "15s", "lock_timeout": "10s"}.get(name, "1min")
            assert connection.scalar(text(f"SHOW {name}")) == direct
