"""PostgreSQL's clock decides: a process whose machine's clock is hours wrong does nothing wrong for that."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from payment_worker.flows.attempts.execute import run_claimed, run_if_due
from payment_worker.flows.context import Context
from payment_worker.flows.maintenance.sweep import claim_due
from payment_worker.store.connection.database import Database
from tests.flows.limits import ALL_DUE
from tests.flows.scene import Scene
from tests.harness.rows import Rows

HOURS_AHEAD = [-30, 30]
"""Either way more than an idempotency key lives."""

Elsewhere = Callable[[float], Context]


@pytest.fixture
def elsewhere(context: Context, environment: dict[str, str]) -> Iterator[Elsewhere]:
    """A process of the same world on a machine whose clock is so many hours ahead."""
    with ExitStack() as opened:

        def begun(hours: float) -> Context:
            database = Database(
                environment["DATABASE_URL"],
                machine_clock=lambda: datetime.now(tz=UTC) + timedelta(hours=hours),
            )
            opened.callback(database.close)
            return replace(context, database=database, clock=database.now, machine_skew=database.machine_skew)

        yield begun


@pytest.mark.parametrize("hours", HOURS_AHEAD)
def test_it_takes_over_no_lease_that_somebody_holds(
    scene: Scene, rows: Rows, elsewhere: Elsewhere, hours: float
) -> None:
    scene.charge_unanswered()
    (due,) = _due(scene.context, rows)
    assert run_if_due(elsewhere(hours), due) is None
    assert claim_due(elsewhere(hours), ALL_DUE).attempts == []


@pytest.mark.parametrize("hours", HOURS_AHEAD)
def test_it_sends_no_key_that_is_too_old(
    scene: Scene, context: Context, rows: Rows, elsewhere: Elsewhere, hours: float
) -> None:
    scene.charge_unanswered(when="before")
    _began(context, timedelta(hours=24), unknown_reason="no_answer")
    sent = len(scene.simulator.journal())
    _sweep_once(elsewhere(hours))
    assert len(scene.simulator.journal()) == sent
    assert rows.one("SELECT status FROM payment_attempt")["status"] == "UNKNOWN"


@pytest.mark.parametrize("hours", HOURS_AHEAD)
def test_it_believes_no_absence(
    scene: Scene, context: Context, rows: Rows, elsewhere: Elsewhere, hours: float
) -> None:
    scene.charge_unanswered(when="before")
    _began(context, timedelta(minutes=10), unknown_reason="server_error")
    _sweep_once(elsewhere(hours))
    assert rows("SELECT number, status, error_code FROM payment_attempt") == [
        {"number": 1, "status": "UNKNOWN", "error_code": "clocks_apart"}
    ]
    _began(context, timedelta(minutes=10), unknown_reason="server_error")
    _sweep_once(elsewhere(0))
    assert rows.one("SELECT status FROM payment")["status"] == "SUCCEEDED"


def test_what_it_writes_bears_postgresqls_time(scene: Scene, rows: Rows, elsewhere: Elsewhere) -> None:
    replace(scene, context=elsewhere(30)).charge()
    (row,) = rows("SELECT abs(extract(epoch FROM now() - created_at)) < 60 AS is_now FROM payment")
    assert row["is_now"]


def _due(context: Context, rows: Rows) -> list[int]:
    """The unfinished attempts, each leased to somebody for a minute from now."""
    with context.database.begin() as connection:
        connection.exec_driver_sql("UPDATE payment_attempt SET next_action_at = now() + interval '1 min'")
    return [row["attempt_id"] for row in rows("SELECT attempt_id FROM payment_attempt")]


def _began(context: Context, ago: timedelta, *, unknown_reason: str) -> None:
    """As if the attempt had been sent so long ago, and were due now."""
    with context.database.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE payment_attempt SET first_sent_at = now() - %(ago)s, sent_until = now() - %(ago)s,"
            " stripe_sent_at = now() - %(ago)s, next_action_at = now(), unknown_reason = %(unknown_reason)s",
            {"ago": ago, "unknown_reason": unknown_reason},
        )


def _sweep_once(context: Context) -> None:
    (due,) = claim_due(context, ALL_DUE).attempts
    run_claimed(context, due.attempt_id, lease_token=due.lease_token)
