"""celeryconfig holds together: what it routes, schedules and limits fits, and it loads with next to nothing."""

import json
import subprocess
import sys
from typing import Any

import pytest

from payment_worker.broker.address import broker_address
from payment_worker.devstack.programs import clean_environment
from payment_worker.devstack.servers.valkey import Valkey

URL = "redis://127.0.0.1:1/0"


def conf(**settings: str) -> Any:  # noqa: ANN401 Celery has no types
    """The configuration that a process with these settings has, of plain values only."""
    program = (
        "import json, payment_worker.celeryconfig as c\n"
        "print(json.dumps({k: v for k, v in vars(c).items() if k[0] != '_' and k != 'task_queues'}))\n"
        "print(json.dumps([q.name for q in c.task_queues]))"
    )
    ran = run(program, **settings)
    values, queues = ran.stdout.splitlines()
    return {**json.loads(values), "task_queues": json.loads(queues)}


def run(program: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a little Python in an environment with these settings."""
    environ = clean_environment({"REDIS_URL": URL, **settings})
    return subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False
    )


def test_every_route_leads_to_a_queue_and_every_scheduled_task_has_a_route() -> None:
    values = conf()

    assert values["task_routes"]
    assert {route["queue"] for route in values["task_routes"].values()} == set(values["task_queues"])
    assert values["beat_schedule"]
    assert {entry["task"] for entry in values["beat_schedule"].values()} <= values["task_routes"].keys()


def test_a_scheduled_run_expires_once_the_next_is_due_by_clocks_that_are_minutes_apart() -> None:
    entries = conf(PAYMENT_WORKER_RESUME_EVERY="7")["beat_schedule"].values()

    assert all(entry["options"]["expires"] == entry["schedule"] + 300 for entry in entries)
    assert 7 in {entry["schedule"] for entry in entries}


@pytest.mark.parametrize(("lease", "stripe"), [("60", "20"), ("60", "59"), ("2", "1")])
def test_a_task_ends_after_its_longest_call_and_within_its_lease(lease: str, stripe: str) -> None:
    values = conf(PAYMENT_WORKER_LEASE=lease, PAYMENT_WORKER_STRIPE_TIMEOUT=stripe)

    assert float(stripe) < values["task_soft_time_limit"] < values["task_time_limit"] <= float(lease)


def test_by_default_no_task_outlives_the_visibility_timeout() -> None:
    values = conf()
    limits = [
        values["task_time_limit"],
        *(each.get("time_limit", 0) for each in values["task_annotations"].values()),
    ]

    assert max(limits) < values["broker_transport_options"]["visibility_timeout"]


def test_redis_may_hang_for_seconds_and_be_away_for_ever() -> None:
    values = conf()

    # Without the limits a half-open connection hangs a worker for ever; without the others it is a while until
    # what a dead worker left is noticed.
    assert values["broker_transport_options"] == {
        "visibility_timeout": 300,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": 10,
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 5,
    }
    assert values["broker_connection_timeout"] == 5
    assert values["broker_connection_retry_on_startup"] is True
    # None: no end. Left out, it would be 100.
    assert values.get("broker_connection_max_retries", 100) is None
    assert values["broker_channel_error_retry"] is True


def test_the_application_loads_without_a_database_or_stripe() -> None:
    ran = run(
        "import sys, payment_worker.celery; print([m for m in ('sqlalchemy', 'stripe') if m in sys.modules])"
    )

    assert ran.stdout.strip() == "[]", ran.stderr


def test_a_misspelt_queue_fails_where_it_is_written(valkey: Valkey) -> None:
    program = "from payment_worker.celery import app; app.send_task('payment_worker.charge', queue='chargse')"

    assert "QueueNotFound" in run(program, REDIS_URL=valkey.url(4000)).stderr


def test_sentinels_are_distinguished_from_the_name_of_their_master() -> None:
    url = "sentinel://one:26379/0;sentinel://two:26379/0?master_name=payments"

    assert broker_address(url) == (
        "sentinel://one:26379/0;sentinel://two:26379/0",
        {"master_name": "payments"},
    )
    assert broker_address("sentinel://one:26379") == ("sentinel://one:26379", {"master_name": "mymaster"})
    assert broker_address(URL) == (URL, {})
