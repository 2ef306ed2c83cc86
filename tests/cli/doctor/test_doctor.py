"""`payment-worker doctor` finds whatever is wrong, whatever else is broken, and says how to fix it."""

import json
import re
from contextlib import closing
from datetime import UTC, datetime, timedelta
from secrets import token_hex

import pytest
import redis

from payment_worker.devstack.servers.valkey import Valkey
from payment_worker.redis.heartbeats import Consumers, Sweeps
from payment_worker.store.connection.migrate import newest
from tests.cli.conftest import Run
from tests.cli.doctor.conftest import QUEUES, problems_in
from tests.harness.rows import Rows


def test_a_healthy_system_is_reported_line_by_line(
    run: Run, environment: dict[str, str], redis_client: "redis.Redis"
) -> None:
    Sweeps(redis_client).record("resume_stalled", now=datetime.now(tz=UTC))
    ran = run("doctor")

    assert (ran.status, ran.err) == (0, "")
    assert re.sub(r"[\d.]+ (ms|s ago)", r"N \1", ran.screen) == (
        " ✓ settings           complete and valid\n"
        " ✓ database           responds in N ms\n"
        f" ✓ migrations         up to date: {newest()}\n"
        " ✓ broker             responds in N ms; messages waiting: charges 0, refunds 0, events 0, maintenance 0\n"
        " ✓ workers            workers per queue: charges 1, refunds 1, events 1, maintenance 1\n"
        " ✓ beat               the last sweep was N s ago\n"
        f" ✓ stripe             {environment['STRIPE_API_BASE']} accepts the key (test mode) and responds in N ms\n"
        " ✓ stripe account     acct_simulator (test mode)\n"
        " ✓ clock              agrees with Stripe's\n"
        " ✓ webhook secret     1 is set\n"
        " ! metadata secret    stored in the database only: if both are lost, no payment can be restored from "
        "Stripe\n"
        "                      → set PAYMENT_WORKER_METADATA_SECRETS to a new secret and, after a comma, the stored "
        "one\n"
        " ✓ pauses             nothing is paused\n"
        " ✓ overdue            no work is overdue\n"
        " ✓ key permissions    Stripe denies none of our requests\n"
        " ✓ unknown            no outcome has been unknown for longer than 15 min\n"
        " ✓ deadlines          no payment or refund is beyond its deadline\n"
        " ✓ disputes           none needs a response\n"
        " ✓ parked events      none\n"
        " ✓ findings           none is open\n"
        " ✓ rejected requests  none within 1 d\n"
        " ✓ balance            nothing is imported yet\n"
    )


def test_a_metadata_secret_of_the_database_that_is_not_configured_is_reported(run: Run, rows: Rows) -> None:
    stored, new = rows.one("SELECT secret FROM metadata_secret")["secret"], token_hex()
    told = [
        run("doctor", settings={"PAYMENT_WORKER_METADATA_SECRETS": configured}).screen
        for configured in (new, f"{new},{stored}")
    ]
    assert "! metadata secret    the one stored in the database is not among the configured" in told[0]
    assert "✓ metadata secret    2 are set" in told[1]
    assert stored not in "".join(told)


def test_every_unreachable_server_is_reported_without_its_password(bare: Run) -> None:
    ran = bare(
        "doctor",
        "--json",
        settings={
            "DATABASE_URL": "postgresql://nobody:planted4711@127.0.0.1:1/nothing",
            "REDIS_URL": "redis://:planted4712@127.0.0.1:1/0",
            "STRIPE_API_BASE": "http://127.0.0.1:1",
            "STRIPE_API_KEY": "sk_test_planted4713",
        },
    )

    assert problems_in(ran) == {
        "database": "cannot serve: nothing listens at 127.0.0.1:1",
        "broker": "cannot serve: nothing listens at 127.0.0.1:1",
        "stripe": "http://127.0.0.1:1 is unreachable (nothing listens, APIConnectionError)",
    }
    assert "planted" not in ran.out + ran.err


def test_a_queue_that_no_worker_consumes_is_reported_with_a_remedy(
    run: Run, redis_client: "redis.Redis"
) -> None:
    Consumers(redis_client).record("worker@here", ("events", "maintenance"), queues=QUEUES)
    ran = run("doctor")

    assert ran.status == 1
    told = " ".join(ran.screen.partition(" ✗ workers ")[2].split())
    assert told.startswith(
        "no worker consumes: charges, refunds → start one: celery -A payment_worker worker -Q charges,refunds;"
        " if one runs: celery -A payment_worker control add_consumer charges"
    )
    assert problems_in(run("doctor", "--json")) == {"workers": "no worker consumes: charges, refunds"}


def test_a_beat_that_fell_silent_is_reported(run: Run, redis_client: "redis.Redis") -> None:
    Sweeps(redis_client).record("resume_stalled", now=datetime.now(tz=UTC) - timedelta(hours=2))
    (said,) = problems_in(run("doctor", "--json")).values()
    assert said.startswith("the last sweep was 2 h")


def test_a_beat_that_nobody_remembers_is_a_warning_and_no_problem(run: Run) -> None:
    ran = run("doctor")
    assert " ! beat               no sweep has run since Redis was started or emptied\n" in ran.screen
    assert ran.status == 0


def test_settings_that_are_missing_do_not_hide_the_rest(bare: Run, database_url: str) -> None:
    ran = bare("doctor", "--json", settings={"DATABASE_URL": database_url})

    assert problems_in(ran) == {"settings": "REDIS_URL: must be set; STRIPE_API_KEY: must be set"}
    checks = {check["name"]: check["verdict"] for check in json.loads(ran.out)["checks"]}
    assert checks["database"] == "fine"
    assert checks["webhook secret"] == "note"


def test_settings_that_cannot_be_read_are_all_there_is_to_say(bare: Run) -> None:
    settings = {"REDIS_URL": "http://x", "PAYMENT_WORKER_LEASE": "soon", "PAYMENT_WORKER_STREEM": "x"}
    ran = bare("doctor", settings={**settings, "COLUMNS": "80"})

    assert ran.status == 1
    assert ran.screen == (
        " ✗ settings           PAYMENT_WORKER_STREEM: no such setting;\n"
        "                      PAYMENT_WORKER_STREAM is alike; REDIS_URL: must begin\n"
        "                      with redis://, rediss:// or sentinel:// (valkey://,\n"
        "                      valkeys://, unix:// and redis+socket:// are taken too);\n"
        "                      PAYMENT_WORKER_LEASE: Input should be a valid number,\n"
        "                      unable to parse string as a number; DATABASE_URL: must be\n"
        "                      set; STRIPE_API_KEY: must be set\n"
        "                      → correct them in the environment;\n"
        "                      docs/reference/settings.md lists every setting\n"
    )


def test_times_with_which_tasks_are_run_twice_are_warned_of(run: Run) -> None:
    ran = run("doctor", settings={"PAYMENT_WORKER_VISIBILITY_TIMEOUT": "20"})

    assert ran.screen.startswith(
        " ! settings           PAYMENT_WORKER_VISIBILITY_TIMEOUT is not more than PAYMENT_WORKER_LEASE\n"
    )
    assert ran.status == 0


def test_a_database_without_tables_is_reported(run: Run, empty_database_url: str) -> None:
    ran = run("doctor", "--json", settings={"DATABASE_URL": empty_database_url})

    assert problems_in(ran) == {"migrations": "not all migrations were run"}


def test_a_terminal_that_shows_ascii_alone_gets_escapes_and_no_error(run: Run) -> None:
    ran = run("doctor", settings={"PYTHONIOENCODING": "ascii"})
    assert (ran.status, ran.err) == (0, "")
    assert "\\u2713 database" in ran.out


@pytest.mark.parametrize(
    ("policy", "verdict"), [("noeviction", None), ("allkeys-lru", "problem"), ("volatile-lru", "note")]
)
def test_a_redis_that_may_delete_what_waits_is_reported(
    run: Run, own_valkey: Valkey, policy: str, verdict: str | None
) -> None:
    with closing(redis.Redis.from_url(own_valkey.url())) as admin:
        admin.config_set("maxmemory-policy", policy)

    ran = run("doctor", "--json", settings={"REDIS_URL": own_valkey.url()})

    told = {check["name"]: check for check in json.loads(ran.out)["checks"]}
    assert told["broker"]["verdict"] == "fine"
    assert told.get("eviction", {}).get("verdict") == verdict
    assert verdict is None or policy in told["eviction"]["says"]


def test_an_access_list_without_info_is_no_outage(run: Run, own_valkey: Valkey) -> None:
    with closing(redis.Redis.from_url(own_valkey.url())) as admin:
        admin.acl_setuser("default", enabled=True, nopass=True, commands=["+@all", "-info"])

    ran = run("doctor", "--json", settings={"REDIS_URL": own_valkey.url()})

    told = {check["name"]: check["verdict"] for check in json.loads(ran.out)["checks"]}
    assert (told["broker"], told["eviction"]) == ("fine", "note")
