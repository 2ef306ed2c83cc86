"""`payment-worker doctor` finds whatever is wrong, whatever else is broken, and says how to fix it."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_hex
from threading import Thread

import pytest
import redis

from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.devstack.servers.valkey import Valkey
from payment_worker.redis.heartbeats import Consumers, Sweeps
from payment_worker.store.connection.migrate import newest
from tests.acceptance.scene import a_charge
from tests.cli.conftest import Ran, Run
from tests.harness.producer import Producer
from tests.harness.rows import Rows

PAYMENT = "11111111-1111-4111-8111-111111111111"
QUEUES = ("charges", "refunds", "events", "maintenance")


@pytest.fixture
def redis_client(redis_client: "redis.Redis") -> "redis.Redis":
    """Where a worker of all queues has just noted that it takes them."""
    Consumers(redis_client).note("worker@here", QUEUES, of=QUEUES)
    return redis_client


@pytest.fixture
def run(run: Run, redis_client: "redis.Redis") -> Run:  # noqa: ARG001 - a worker is there
    """Runs `payment-worker` where a worker takes all queues."""
    return run


def _problems(ran: Ran) -> dict[str, str]:
    """What is wrong, by the name of the check; each must say how to fix it."""
    told = json.loads(ran.out)
    wrong = [check for check in told["checks"] if check["verdict"] == "problem"]
    assert all(check["remedy"] for check in wrong)
    assert (ran.status, told["healthy"]) == ((1, False) if wrong else (0, True))
    return {check["name"]: check["says"] for check in wrong}


def test_a_healthy_world_is_told_line_by_line(
    run: Run, environment: dict[str, str], redis_client: "redis.Redis"
) -> None:
    Sweeps(redis_client).note("resume_stalled", now=datetime.now(tz=UTC))
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
        " ✓ parked events      none\n"
        " ✓ findings           none is open\n"
        " ✓ rejected requests  none within 1 d\n"
        " ✓ balance            nothing is imported yet\n"
    )


def test_a_metadata_secret_of_the_database_that_is_not_configured_is_told(run: Run, rows: Rows) -> None:
    stored, new = rows.one("SELECT secret FROM metadata_secret")["secret"], token_hex()
    told = [
        run("doctor", settings={"PAYMENT_WORKER_METADATA_SECRETS": configured}).screen
        for configured in (new, f"{new},{stored}")
    ]
    assert "! metadata secret    the one stored in the database is not among the configured" in told[0]
    assert "✓ metadata secret    2 are set" in told[1]
    assert stored not in "".join(told)


def test_every_server_that_is_away_is_told_without_its_password(bare: Run) -> None:
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

    assert _problems(ran) == {
        "database": "cannot serve: nothing listens at 127.0.0.1:1",
        "broker": "cannot serve: nothing listens at 127.0.0.1:1",
        "stripe": "http://127.0.0.1:1 is unreachable (nothing listens, APIConnectionError)",
    }
    assert "planted" not in ran.out + ran.err


def test_a_queue_that_no_worker_takes_from_is_told_with_what_to_do(
    run: Run, redis_client: "redis.Redis"
) -> None:
    Consumers(redis_client).note("worker@here", ("events", "maintenance"), of=QUEUES)
    ran = run("doctor")

    assert ran.status == 1
    told = " ".join(ran.screen.partition(" ✗ workers ")[2].split())
    assert told.startswith(
        "no worker consumes: charges, refunds → start one: celery -A payment_worker worker -Q charges,refunds;"
        " if one runs: celery -A payment_worker control add_consumer charges"
    )
    assert _problems(run("doctor", "--json")) == {"workers": "no worker consumes: charges, refunds"}


def test_a_beat_that_fell_silent_is_told(run: Run, redis_client: "redis.Redis") -> None:
    Sweeps(redis_client).note("resume_stalled", now=datetime.now(tz=UTC) - timedelta(hours=2))
    (said,) = _problems(run("doctor", "--json")).values()
    assert said.startswith("the last sweep was 2 h")


def test_a_beat_that_nobody_remembers_is_noted_and_no_problem(run: Run) -> None:
    ran = run("doctor")
    assert " ! beat               no sweep has run since Redis was started or emptied\n" in ran.screen
    assert ran.status == 0


def test_settings_that_are_missing_do_not_hide_the_rest(bare: Run, database_url: str) -> None:
    ran = bare("doctor", "--json", settings={"DATABASE_URL": database_url})

    assert _problems(ran) == {"settings": "REDIS_URL: must be set; STRIPE_API_KEY: must be set"}
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


def test_times_with_which_tasks_are_run_twice_are_noted(run: Run) -> None:
    ran = run("doctor", settings={"PAYMENT_WORKER_VISIBILITY_TIMEOUT": "20"})

    assert ran.screen.startswith(
        " ! settings           PAYMENT_WORKER_VISIBILITY_TIMEOUT is not more than PAYMENT_WORKER_LEASE\n"
    )
    assert ran.status == 0


def test_a_database_without_tables_is_told(run: Run, empty_database_url: str) -> None:
    ran = run("doctor", "--json", settings={"DATABASE_URL": empty_database_url})

    assert _problems(ran) == {"migrations": "not all migrations were run"}


def test_a_key_that_stripe_refuses_is_told(
    run: Run, simulator: Simulator, environment: dict[str, str]
) -> None:
    simulator.fault("unauthorized", times=None)

    assert _problems(run("doctor", "--json")) == {
        "stripe": f"{environment['STRIPE_API_BASE']} rejects the key (401)"
    }


def test_a_restricted_key_is_told_which_reads_it_lacks(run: Run, simulator: Simulator) -> None:
    for resource in ("charges", "events"):
        simulator.fault("forbidden", endpoint=f"{resource}.list", times=None)

    why = "(more_permissions_required rak_payment_intent_write)"
    assert _problems(run("doctor", "--json")) == {
        "stripe": f"the key lacks read permission for: charges {why}, events {why}"
    }


def test_a_live_key_against_the_simulator_is_told(run: Run, environment: dict[str, str]) -> None:
    problems = _problems(run("doctor", "--json", settings={"STRIPE_API_KEY": "sk_live_simulator"}))
    assert (
        problems["stripe"]
        == f"{environment['STRIPE_API_BASE']} is a simulator, and STRIPE_API_KEY is a live key"
    )


def test_what_stripe_refuses_of_us_is_told_at_once_with_its_word_and_permission(
    run: Run, simulator: Simulator, worker: Callable[..., Process], producer: Producer, rows: Rows
) -> None:
    simulator.fault("forbidden", endpoint="payment_intents.create", times=None)
    worker(pool="threads")
    producer.charge(**a_charge(payment_id=PAYMENT))
    rows.wait_for("SELECT 1 FROM payment_attempt WHERE error_code LIKE 'access_denied%%'")

    ran = run("doctor", "--json")

    (told,) = [check for check in json.loads(ran.out)["checks"] if check["name"] == "key permissions"]
    assert (told["verdict"], told["ids"]) == ("problem", [PAYMENT])
    word = "access_denied: more_permissions_required rak_payment_intent_write"
    assert told["says"].startswith(f"charges, {word}: 1, the oldest from ")


def test_a_terminal_that_shows_ascii_alone_gets_escapes_and_no_error(run: Run) -> None:
    ran = run("doctor", settings={"PYTHONIOENCODING": "ascii"})
    assert (ran.status, ran.err) == (0, "")
    assert "\\u2713 database" in ran.out


@pytest.mark.parametrize(("seconds", "side"), [(-400, "6 min 40 s ahead of"), (400, "6 min 39 s behind")])
def test_a_clock_that_is_wrong_is_told(run: Run, seconds: int, side: str) -> None:
    with _stripe_whose_clock_is_off(seconds) as base:
        problems = _problems(run("doctor", "--json", settings={"STRIPE_API_BASE": base}))

    minutes = re.escape(side).replace("40", r"\d+").replace("39", r"\d+")
    assert re.match(
        f"this machine's is {minutes} Stripe's; PostgreSQL's is {minutes} Stripe's: ", problems["clock"]
    )


@contextmanager
def _stripe_whose_clock_is_off(seconds: float) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            date = (datetime.now(tz=UTC) + timedelta(seconds=seconds)).strftime("%a, %d %b %Y %H:%M:%S GMT")
            self.send_header("Date", date)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


NEGLECT = """
WITH times AS (SELECT now() - interval '3 hours 5 minutes' AS begun, now() - interval '65 minutes' AS due),
payments AS (
    INSERT INTO payment (payment_id, order_id, amount, currency, status, payment_method, capture_method, metadata,
                         fingerprint, version, created_at, updated_at)
    SELECT %s, gen_random_uuid(), 500, 'EUR', 'REQUESTED', 'pm_1', 'automatic', '{}', 'x', 1, begun, begun FROM times
    RETURNING payment_id),
attempts AS (
    INSERT INTO payment_attempt (payment_id, number, action, path, parameters, idempotency_key, status, unknown_reason,
                                 next_action_at, first_sent_at, sent_until, created_at)
    SELECT payment_id, 1, 'charge', '/v1', '{}', 'k', 'UNKNOWN', 'no_answer', due, begun, begun, begun
    FROM payments, times),
events AS (
    INSERT INTO stripe_event (event_id, type, livemode, payload, status, outcome, source, created_at, received_at,
                              finished_at)
    SELECT 'evt_1', 'refund.created', false, '{}', 'PARKED', 'why', 'webhook', begun, begun, begun FROM times),
findings AS (
    INSERT INTO reconciliation_finding (kind, object_id, stripe_account, payment_id, status, detail, found_at)
    SELECT 'second_payment_intent', 'pi_2', '', payment_id, 'OPEN', '{}', begun FROM payments, times),
messages AS (
    INSERT INTO outbox (message_id, payment_id, type, data, occurred_at)
    SELECT gen_random_uuid(), payment_id, 'PaymentRequested', '{}', begun FROM payments, times)
INSERT INTO rejected_request (request_id, task, arguments, errors, ids, is_complete, received_at)
SELECT gen_random_uuid(), 'payment_worker.charge', '{}', '[]', '{}', true, begun FROM times
"""


@pytest.fixture
def neglected(rows: Rows) -> None:
    """A payment that was begun three hours ago and is in doubt since; nobody has worked for an hour."""
    rows(NEGLECT, PAYMENT)


@pytest.mark.usefixtures("neglected")
def test_rows_that_nobody_cares_for_are_told_with_their_age_and_their_ids(run: Run, rows: Rows) -> None:
    ran = run("doctor")

    assert ran.status == 1
    (request_id,) = (row["request_id"] for row in rows("SELECT request_id::text FROM rejected_request"))
    (finding_id,) = (row["finding_id"] for row in rows("SELECT finding_id FROM reconciliation_finding"))
    assert ran.screen.partition(" ✗ overdue            ")[2].splitlines() == [
        "attempts: 1, the oldest from 1 h 5 min ago; messages: 1, the oldest from 3 h 5 min ago",
        f"                      {PAYMENT}: payment-worker show ID",
        "                      → start beat and enough workers: celery -A payment_worker beat | worker",
        " ✓ key permissions    Stripe denies none of our requests",
        f" ✗ unknown            charge of payment {PAYMENT} for 3 h 5 min (no_answer: Stripe did not",
        "                      answer in time.)",
        f"                      {PAYMENT}: payment-worker show ID",
        "                      → compare payment-worker show ID with Stripe's dashboard; workers keep looking it up",
        " ✗ deadlines          payments REQUESTED: 1, the oldest from 3 h 5 min ago",
        f"                      {PAYMENT}: payment-worker show ID",
        "                      → payment REQUESTED: payment-worker show ID says what its attempt waits for",
        " ✗ parked events      events: 1, the oldest from 3 h 5 min ago",
        "                      evt_1: payment-worker show ID",
        "                      → payment-worker events list --status parked says why; then: events replay --parked",
        " ✗ findings           open: 1, the oldest from 3 h 5 min ago",
        f"                      {finding_id}: payment-worker report",
        "                      → payment-worker report lists them; the runbook says what to do about each kind",
        " ! rejected requests  within 1 d: 1",
        f"                      {request_id}: payment-worker requests rejected show ID",
        "                      → read their errors, fix the app that sent them, and replay those that are valid by now",
        " ✓ balance            nothing is imported yet",
    ]
    named = {check["name"]: check["ids"] for check in json.loads(run("doctor", "--json").out)["checks"]}
    assert named["overdue"] == named["unknown"] == named["deadlines"] == [PAYMENT]
    assert (named["parked events"], named["findings"]) == (["evt_1"], [str(finding_id)])
    assert named["rejected requests"] == [request_id]


def test_of_many_rows_the_five_oldest_are_named(run: Run, rows: Rows) -> None:
    rows(
        "INSERT INTO rejected_request (request_id, task, arguments, errors, ids, is_complete, received_at)"
        " SELECT gen_random_uuid(), 'payment_worker.charge', '{}', '[]', '{}', true, now() - make_interval(mins => n)"
        " FROM generate_series(1, 7) n"
    )
    oldest = rows("SELECT request_id::text AS id FROM rejected_request ORDER BY received_at LIMIT 5")

    named = {check["name"]: check["ids"] for check in json.loads(run("doctor", "--json").out)["checks"]}

    assert named["rejected requests"] == [row["id"] for row in oldest]


@pytest.mark.usefixtures("neglected")
def test_a_finding_is_part_of_its_payments_story(run: Run) -> None:
    (told,) = [
        entry
        for entry in json.loads(run("show", PAYMENT, "--json").out)["entries"]
        if entry["kind"] == "finding"
    ]
    assert told["what"] == "second_payment_intent of pi_2 is OPEN"
    assert " finding  second_payment_intent of pi_2 is OPEN " in run("show", PAYMENT).screen


@pytest.mark.usefixtures("neglected")
def test_how_long_an_outcome_may_be_unknown_can_be_said(run: Run) -> None:
    patient = _problems(run("doctor", "--json", "--unknown-after", "86400"))

    assert patient.keys() == {"overdue", "deadlines", "parked events", "findings"}


def test_what_is_paused_is_told_and_is_no_problem(run: Run) -> None:
    run("pause", "--kind", "refund", "--reason", "wrong prices")
    ran = run("doctor", "--json")
    (told,) = [check for check in json.loads(ran.out)["checks"] if check["name"] == "pauses"]
    assert (ran.status, told["verdict"]) == (0, "note")
    assert told["says"].startswith("refund for ")
    assert told["says"].endswith("(wrong prices)")


def test_a_key_of_another_account_is_told_first(run: Run, rows: Rows) -> None:
    rows("INSERT INTO stripe_identity (stripe_account_id, livemode) VALUES ('acct_ours', false)")
    ran = run("doctor", "--json")
    assert json.loads(ran.out)["checks"][0]["name"] == "stripe account"
    assert _problems(ran) == {
        "stripe account": "the key belongs to acct_simulator (test mode), our payments are on acct_ours (test mode):"
        " nothing is sent to Stripe"
    }


def test_a_key_that_may_not_read_its_account_is_told_with_the_permission(
    run: Run, simulator: Simulator
) -> None:
    simulator.fault("forbidden", endpoint="account.retrieve")
    ran = run("doctor")
    assert ran.screen.startswith(" ✗ stripe account     the key may not read its own account")
    assert "rak_accounts_kyc_basic_read" in ran.screen


def test_clocks_that_are_apart_are_told(run: Run, simulator: Simulator) -> None:
    simulator.post("settings", {"clock_skew_seconds": -7200})
    (said,) = _problems(run("doctor", "--json")).values()
    assert said.startswith("this machine's is 2 h ahead of Stripe's; PostgreSQL's is 2 h ahead of Stripe's:")


@pytest.mark.parametrize(
    ("policy", "verdict"), [("noeviction", None), ("allkeys-lru", "problem"), ("volatile-lru", "note")]
)
def test_a_redis_that_may_delete_what_waits_is_told(
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


@pytest.mark.parametrize(
    ("ledger", "hours", "says"),
    [
        (500, 0, "explained"),
        (499, 0, "platform: Stripe has 0.01 EUR more than the ledger"),
        (500, 3, "last imported 3 h ago"),
    ],
)
def test_a_balance_that_differs_or_is_not_imported_is_a_problem(
    run: Run, rows: Rows, ledger: int, hours: int, says: str
) -> None:
    rows(
        "INSERT INTO balance_import (stripe_account, begins_at, is_opened, imported_at)"
        " VALUES ('', now(), true, now() - make_interval(hours => %s))",
        hours,
    )
    rows(
        "INSERT INTO balance_proof (stripe_account, currency, available, pending, reserved, ledger, proven_at)"
        " VALUES ('', 'EUR', 400, 100, 0, %s, now())",
        ledger,
    )
    checks = {check["name"]: check for check in json.loads(run("doctor", "--json").out)["checks"]}
    assert checks["balance"]["says"].startswith(says)
    assert checks["balance"]["verdict"] == ("fine" if says == "explained" else "problem")
