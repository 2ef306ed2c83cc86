"""Work that one process does at a time is in nobody's way, and may take longer than a transaction."""

from contextlib import closing

from sqlalchemy.pool import NullPool

from payment_worker.store.connection.address import engine
from payment_worker.store.connection.advisory_lock import RECONCILE_LOCK, alone
from payment_worker.store.connection.database import Database
from tests.harness.rows import Rows

ALONE = "FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"


def test_it_keeps_nothing_from_being_tidied_up(database_url: str, rows: Rows) -> None:
    with closing(Database(database_url)) as database, alone(database, RECONCILE_LOCK) as is_ours:
        assert is_ours
        held = rows.wait_for(f"SELECT backend_xmin, backend_xid {ALONE}")
        assert held == {"backend_xmin": None, "backend_xid": None}


def test_it_is_not_cut_off_as_an_idle_transaction_is(database_url: str, rows: Rows) -> None:
    with_deadline = {"options": "-c idle_in_transaction_session_timeout=100ms"}
    with closing(Database(database_url)) as database, closing(Database(database_url)) as elsewhere:
        database.engine = engine(database_url, with_deadline, poolclass=NullPool)
        with alone(database, RECONCILE_LOCK) as is_ours:
            assert is_ours
            rows.wait_for(f"SELECT 1 {ALONE} AND state_change < clock_timestamp() - interval '300 ms'")
            with alone(elsewhere, RECONCILE_LOCK) as is_theirs:
                assert not is_theirs
        with alone(elsewhere, RECONCILE_LOCK) as is_theirs:
            assert is_theirs
