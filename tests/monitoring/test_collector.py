"""What rows and queues hold is told as it is, and a server that hangs holds no scrape up for long."""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import redis
from pydantic import SecretStr

from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.devstack.servers.valkey import Valkey
from payment_worker.devstack.waiting import wait_until
from payment_worker.flows import pauses
from payment_worker.monitoring.collector import ANSWER_SECONDS, State, state_of
from payment_worker.redis.heartbeats import Consumers, Sweeps
from payment_worker.settings import Settings
from payment_worker.store.connection.database import Database
from tests.harness.rows import Rows

QUEUES = ["charges", "maintenance"]


def an_hour_ago() -> datetime:
    """Counted from now, not from when the tests were collected."""
    return datetime.now(tz=UTC) - timedelta(hours=1)


def _state(database_url: str, redis_url: str) -> State:
    chosen = Settings(database_url=SecretStr(database_url), redis_url=SecretStr(redis_url))
    return state_of(chosen, queues=QUEUES)


@pytest.fixture
def state(database_url: str, redis_url: str) -> Iterator[State]:
    with closing(_state(database_url, redis_url)) as opened:
        yield opened


def _told(state: State) -> dict[tuple[str, ...], float]:
    """By name, without what all have in common, and values of labels."""
    return {
        (reading.what.name.removeprefix("payment_worker_"), *reading.labels): reading.value
        for reading in state.readings()
    }


def _insert(rows: Rows, table: str, **values: object) -> None:
    columns, places = ", ".join(values), ", ".join(["%s"] * len(values))
    rows(f"INSERT INTO {table} ({columns}) VALUES ({places})", *values.values())  # noqa: S608 - ours


def _a_payment(rows: Rows, **changes: object) -> str:
    payment_id = str(uuid4())
    ordinary: dict[str, object] = {
        "payment_id": payment_id,
        "order_id": str(uuid4()),
        "amount": 100,
        "currency": "EUR",
        "status": "REQUESTED",
        "payment_method": "pm_1",
        "capture_method": "automatic",
        "fingerprint": "…",
        "created_at": an_hour_ago(),
        "updated_at": an_hour_ago(),
    }
    _insert(rows, "payment", **{**ordinary, **changes})
    return payment_id


def test_an_empty_installation_shows_that_nothing_is_wrong(state: State) -> None:
    told = _told(state)
    assert told[("database_up",)] == told[("redis_up",)] == 1
    others = {name: value for name, value in told.items() if name[0] not in {"database_up", "redis_up"}}
    assert len(others) > 50
    assert set(others.values()) == {0}


def test_an_unknown_attempt_is_shown_with_its_reason_and_age(state: State, rows: Rows) -> None:
    _insert(
        rows,
        "payment_attempt",
        payment_id=_a_payment(rows),
        number=1,
        action="charge",
        path="/v1/payment_intents",
        parameters="{}",
        idempotency_key="key",
        status="UNKNOWN",
        unknown_reason="no_answer",
        next_action_at=an_hour_ago() + timedelta(minutes=30),
        first_sent_at=an_hour_ago(),
        sent_until=an_hour_ago(),
        created_at=an_hour_ago(),
    )
    told = _told(state)
    assert told["unknown_attempts", "no_answer"] == 1
    assert told["unfinished_attempts", "charge", "unknown"] == 1
    assert 3600 <= told["unknown_attempts_oldest_seconds", "charge"] < 3700
    assert told["unknown_attempts_oldest_seconds", "refund"] == 0
    assert told["due", "attempts"] == 1
    assert 1800 <= told["due_oldest_seconds", "attempts"] < 1900


def test_what_is_beyond_its_deadline_is_reported(state: State, rows: Rows) -> None:
    _a_payment(rows)
    _a_payment(rows, updated_at=an_hour_ago() + timedelta(minutes=30))
    _a_payment(rows, status="AUTHORIZED")
    told = _told(state)
    assert told["deadline_breaches", "payment", "requested"] == 1
    assert told["deadline_breaches", "payment", "authorized"] == 0


def test_messages_events_findings_and_rejected_requests_that_wait_are_gauges(
    state: State, rows: Rows
) -> None:
    _insert(
        rows,
        "outbox",
        message_id=str(uuid4()),
        payment_id=str(uuid4()),
        type="T",
        data="{}",
        occurred_at=an_hour_ago(),
    )
    event = {
        "type": "t",
        "livemode": False,
        "payload": "{}",
        "source": "webhook",
        "created_at": an_hour_ago(),
    }
    for status, due, ended in (("RECEIVED", an_hour_ago(), None), ("PARKED", None, an_hour_ago())):
        times = {"received_at": an_hour_ago(), "next_action_at": due, "finished_at": ended}
        _insert(rows, "stripe_event", event_id=status, status=status, **event, **times)
    finding = {"object_id": "pi_1", "status": "OPEN", "found_at": an_hour_ago()}
    _insert(rows, "reconciliation_finding", kind="second_payment_intent", **finding)
    rejected = {"task": "t", "arguments": "{}", "errors": "[]", "ids": [], "is_complete": True}
    for received_at in (an_hour_ago() - timedelta(minutes=1), an_hour_ago() + timedelta(minutes=1)):
        _insert(rows, "rejected_request", request_id=str(uuid4()), received_at=received_at, **rejected)

    told = _told(state)
    assert (
        told[("outbox_messages",)] == told["inbox_events", "received"] == told["inbox_events", "parked"] == 1
    )
    assert told["findings_open", "second_payment_intent"] == told[("rejected_requests_last_hour",)] == 1
    for name in (
        ("outbox_oldest_seconds",),
        ("inbox_oldest_seconds", "parked"),
        ("findings_oldest_seconds",),
    ):
        assert 3600 <= told[name] < 3700


def test_pauses_queues_breakers_and_sweeps_are_gauges(
    state: State, database_url: str, redis_client: "redis.Redis"
) -> None:
    with closing(Database(database_url)) as database:
        pauses.pause(database, "refund", reason=None, actor="somebody", now=an_hour_ago())
    redis_client.lpush("charges", "a", "b")
    redis_client.lpush("charges\x06\x163", "of another priority")
    redis_client.lpush("celery", '{"headers": {"task": "payment_worker.charge"}}', "of another app")
    redis_client.hset("unacked", "tag", "held")
    redis_client.zadd("unacked_index", {"tag": an_hour_ago().timestamp()})
    redis_client.hset("payment_worker:rate_limit:{platform}:breaker", "open_until", "1")
    Sweeps(redis_client).record("resume_stalled", now=an_hour_ago())
    for worker in ("one@here", "two@here"):
        Consumers(redis_client).record(worker, ["charges"], queues=QUEUES)
    told = _told(state)
    assert told["paused_seconds", "all"] == 0
    assert told["queue_messages", "charges"] == 3
    assert told["queue_messages", "maintenance"] == 0
    assert told[("misdirected_messages",)] == 1
    assert told["queue_consumers", "charges"] == 2
    assert told["queue_consumers", "maintenance"] == 0
    assert told[("unacknowledged_messages",)] == told[("breakers_open",)] == 1
    for name in (
        ("paused_seconds", "refund"),
        ("unacknowledged_oldest_seconds",),
        ("swept_seconds", "resume_stalled"),
    ):
        assert 3600 <= told[name] < 3700


def test_a_database_that_hangs_costs_seconds_and_queues_are_still_shown(
    own_postgresql: PostgreSQL, redis_url: str
) -> None:
    with closing(_state(own_postgresql.url("payments"), redis_url)) as state:
        assert _told(state)[("database_up",)] == 1
        own_postgresql.pause()
        wait_until(lambda: _told(state)[("database_up",)] == 0)
        began = time.monotonic()
        assert _told(state)["queue_messages", "charges"] == 0
        assert time.monotonic() - began < ANSWER_SECONDS + 1
        own_postgresql.resume()


def test_a_redis_that_is_gone_is_reported(database_url: str, own_valkey: Valkey) -> None:
    with closing(_state(database_url, own_valkey.url())) as state:
        own_valkey.stop()
        told = _told(state)
        assert told[("redis_up",)] == 0
        assert told[("database_up",)] == 1


def test_what_is_not_cleared_or_differs_is_a_gauge_by_currency_and_account(state: State, rows: Rows) -> None:
    proven = {"currency": "EUR", "available": 500, "pending": 100, "reserved": 0, "proven_at": an_hour_ago()}
    _insert(rows, "balance_proof", stripe_account="", ledger=700, **proven)
    _insert(rows, "balance_proof", stripe_account="acct_1", ledger=500, **proven)
    _insert(rows, "balance_proof", stripe_account="eu", ledger=600, **proven)
    waiting = {"object_id": "pi_1", "currency": "EUR", "ours": 300, "theirs": -100, "since": an_hour_ago()}
    _insert(rows, "ledger_uncleared", stripe_account="", ledger_account="customers", **waiting)
    days_ago = an_hour_ago() - timedelta(days=2)
    suspended = {"object_id": "txn_1", "currency": "EUR", "ours": 0, "theirs": -50, "since": days_ago}
    _insert(rows, "ledger_uncleared", stripe_account="", ledger_account="unexplained", **suspended)
    moved = {"ledger_account": "stripe_balance", "currency": "EUR", "amount": 700, "volume": 1000}
    _insert(rows, "ledger_balance", stripe_account="", **moved)
    read = {"begins_at": an_hour_ago(), "is_opened": True, "imported_at": an_hour_ago()}
    _insert(rows, "balance_import", stripe_account="", **read)
    for amount, status in ((70, "PENDING"), (30, "PENDING"), (500, "PROCESSED")):
        asked = {"amount": amount, "currency": "EUR", "status": status, "stripe_refund_id": f"re_{amount}"}
        at = {"amount_was_given": True, "created_at": an_hour_ago(), "updated_at": an_hour_ago()}
        _insert(rows, "refund", refund_id=str(uuid4()), payment_id=_a_payment(rows), **asked, **at)
    told = _told(state)
    assert (told["balance_difference", "EUR", "eu"], told["balance_available", "EUR", "eu"]) == (0, 500)
    assert (
        told["balance_difference", "EUR", "platform"] == 200
    )  # 100 too much and 100 too little are not nothing
    assert (told["balance_available", "EUR", "platform"], told["ledger_uncleared", "EUR", "platform"]) == (
        1000,
        200,
    )
    assert (
        told["ledger_unexplained", "EUR", "platform"],
        told["ledger_oldest_amount", "EUR", "platform"],
    ) == (
        50,
        50,
    )
    two_days = 2 * 86_400 + 3600
    assert two_days <= told["ledger_oldest_seconds", "EUR", "platform"] < two_days + 100
    assert 3600 <= told[("balance_imported_seconds",)] < 3700
    assert told["refunds_pending", "EUR", "platform"] == 100
    explained = {age: told["ledger_explained_ratio", "EUR", "platform", age] for age in ("any", "1d", "4d")}
    assert explained == {"any": 0.75, "1d": 0.95, "4d": 1.0}
