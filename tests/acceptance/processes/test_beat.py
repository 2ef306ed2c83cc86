"""Beat goes on whatever happens to clocks, files and PostgreSQL, and any beat may take over from another."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import redis

from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.devstack.waiting import wait_until
from tests.harness.rows import Rows

OFTEN = {"PAYMENT_WORKER_RESUME_EVERY": "0.5", "PAYMENT_WORKER_PUBLISH_EVERY": "0.5"}


def _waiting(client: "redis.Redis") -> int:
    return int(client.llen("maintenance"))


def test_what_was_run_lately_by_another_beat_is_not_run_again(
    beat: Callable[..., Process], rows: Rows, redis_client: "redis.Redis"
) -> None:
    rows(
        "INSERT INTO beat_schedule (name, last_run_at)"
        " SELECT name, now() - interval '1 minute' FROM unnest(%s) name",
        ["reconcile", "prune"],
    )
    beat()
    rows.wait_for("SELECT 1 FROM beat_schedule WHERE name = 'resume_stalled'")
    wait_until(lambda: _waiting(redis_client) >= 3)

    late = rows(
        "SELECT name FROM beat_schedule WHERE last_run_at < now() - interval '50 seconds' ORDER BY name"
    )
    assert [row["name"] for row in late] == ["prune", "reconcile"]


def test_a_time_that_lies_ahead_is_no_reason_to_wait(beat: Callable[..., Process], rows: Rows) -> None:
    rows(
        "INSERT INTO beat_schedule (name, last_run_at) SELECT name, now() + interval '3 hours' FROM unnest(%s) name",
        ["resume_stalled", "reconcile"],
    )
    started = beat()

    started.wait_for_output("clock was set back")
    rows.wait_for("SELECT 1 FROM beat_schedule HAVING bool_and(last_run_at <= now()) AND count(*) = 6")


def test_no_file_is_kept_and_a_damaged_one_of_before_is_not_read(
    beat: Callable[..., Process], rows: Rows, tmp_path: Path
) -> None:
    damaged = tmp_path / "celerybeat-schedule"
    damaged.write_bytes(b"no schedule")

    started = beat()
    rows.wait_for("SELECT 1 FROM beat_schedule HAVING count(*) = 6")

    assert started.running
    assert damaged.read_bytes() == b"no schedule"
    assert [each.name for each in tmp_path.iterdir() if "schedule" in each.name] == ["celerybeat-schedule"]


@pytest.mark.parametrize("database", ["nothing listens", "none is set"])
def test_beat_goes_on_without_postgresql(
    beat: Callable[..., Process], redis_client: "redis.Redis", database: str
) -> None:
    url = "postgresql://a:b@127.0.0.1:1/c" if database == "nothing listens" else ""
    beat(settings={"DATABASE_URL": url, **OFTEN})

    wait_until(lambda: _waiting(redis_client) >= 9, what="each task once, and the frequent ones again")


def test_beat_takes_its_rows_up_again_after_an_outage(
    beat: Callable[..., Process], own_postgresql: PostgreSQL, redis_client: "redis.Redis"
) -> None:
    started = beat(settings={"DATABASE_URL": own_postgresql.url("payments"), **OFTEN})
    own_postgresql.set_read_only("payments", read_only=True)
    started.wait_for_output("schedule kept in memory")
    met = _waiting(redis_client)
    wait_until(lambda: _waiting(redis_client) > met + 3)
    own_postgresql.set_read_only("payments", read_only=False)
    own_postgresql.execute("DELETE FROM beat_schedule", database="payments")
    wait_until(lambda: _has_row(own_postgresql), seconds=30)


def _has_row(server: PostgreSQL) -> bool:
    with closing(Rows(server.url("payments"))) as rows:
        return bool(rows("SELECT 1 FROM beat_schedule"))
