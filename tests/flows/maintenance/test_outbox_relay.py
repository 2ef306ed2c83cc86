"""Nothing that we tell is lost when Redis loses its memory: every message is valid, and in order per payment."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest
import redis
from jsonschema import Draft7Validator

from payment_worker.contracts.envelope import MessageType, schema
from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.valkey import Valkey
from payment_worker.flows.context import Context
from payment_worker.flows.maintenance.outbox_relay import AGAIN_AT_ONCE, publish, replay
from payment_worker.redis.stream import Stream, StreamUnavailableError
from payment_worker.store import outbox
from tests.flows.scene import Scene
from tests.harness.producer import Producer
from tests.harness.rows import Rows

NAME = "payment_worker.events"
MESSAGES = "SELECT message_id, payment_id FROM outbox ORDER BY position"


def a_stream(url: str, max_length: int = 10_000) -> Stream:
    return Stream(url, name=NAME, max_length=max_length, hint_seconds=5)


@pytest.fixture
def stream(redis_url: str) -> Iterator[Stream]:
    with closing(a_stream(redis_url)) as made:
        yield made


@pytest.fixture
def forgetful() -> Iterator[Valkey]:
    """A Valkey that comes back empty."""
    with Valkey(append_only=False) as server:
        yield server


def entries(client: "redis.Redis") -> list[dict[str, Any]]:
    """What a reader finds who reads the whole stream."""
    found = cast("list[tuple[str, dict[str, str]]]", client.xrange(NAME))
    return [json.loads(fields["event"]) for _, fields in found]


def reader(url: str) -> "redis.Redis":
    return redis.Redis.from_url(url, decode_responses=True)


def assert_valid(messages: list[dict[str, Any]]) -> None:
    assert messages
    for message in messages:
        assert message["specversion"] == "1.0"
        assert message["datacontenttype"] == "application/json"
        kind = cast("MessageType", message["type"])
        Draft7Validator(schema(kind), format_checker=Draft7Validator.FORMAT_CHECKER).validate(message["data"])
        assert message["data"]["paymentId"] == message["subject"]


def assert_told(messages: list[dict[str, Any]], rows: Rows) -> None:
    """All that was written is told, and for each payment, but for repetitions, in the order of writing."""
    assert_valid(messages)
    told: dict[str, list[str]] = defaultdict(list)
    for message in messages:
        if message["id"] not in told[message["subject"]]:
            told[message["subject"]].append(message["id"])
    written: dict[str, list[str]] = defaultdict(list)
    for row in rows(MESSAGES):
        written[row["payment_id"]].append(row["message_id"])
    assert told == written


def some_lives(scene: Scene) -> None:
    """Payments with several messages each."""
    for _ in range(3):
        scene.refund(scene.charge(), amount=700)
    scene.charge(payment_method="pm_card_visa_chargeDeclined")


def test_all_is_published_in_order_after_redis_was_killed_and_came_back_empty(
    scene: Scene, rows: Rows, context: Context, forgetful: Valkey
) -> None:
    with closing(a_stream(forgetful.url())) as stream, closing(reader(forgetful.url())) as client:
        some_lives(scene)
        publish(context, stream)
        heard = entries(client)
        some_lives(scene)
        forgetful.kill()
        with pytest.raises(StreamUnavailableError):
            publish(context, stream)
        forgetful.start()
        some_lives(scene)

        publish(context, stream)

        assert_told(entries(client), rows)
        assert_told(heard + entries(client), rows)
        assert rows("SELECT 1 FROM outbox WHERE published_at IS NULL") == []


@pytest.mark.parametrize("how", ["holds something else", "has given its last id"])
def test_a_key_that_is_no_stream_is_reported_and_deleting_it_is_enough(
    scene: Scene, rows: Rows, stream: Stream, redis_client: "redis.Redis", how: str
) -> None:
    some_lives(scene)
    publish(scene.context, stream)
    if how == "holds something else":
        redis_client.delete(NAME)
        redis_client.set(NAME, "nothing")
    else:
        redis_client.xadd(NAME, {"event": "{}"}, id=f"{2**64 - 1}-{2**64 - 1}")
    some_lives(scene)
    with pytest.raises(StreamUnavailableError, match=f"{how}: delete it"):
        publish(scene.context, stream)

    redis_client.delete(NAME)
    publish(scene.context, stream)

    assert_told(entries(redis_client), rows)
    assert rows("SELECT 1 FROM outbox WHERE published_at IS NULL") == []


def test_what_the_time_does_not_suffice_for_is_left_to_the_next(
    scene: Scene, rows: Rows, context: Context, stream: Stream, redis_client: "redis.Redis"
) -> None:
    some_lives(scene)
    assert publish(context, stream, has_time=lambda: False) == 0
    assert entries(redis_client) == []
    assert publish(context, stream) > 0
    assert_told(entries(redis_client), rows)


def test_nobody_publishes_while_another_does(
    scene: Scene, context: Context, stream: Stream, redis_client: "redis.Redis"
) -> None:
    scene.charge()
    with context.database.begin() as connection:
        assert outbox.lock_publishing(connection)
        assert publish(context, stream) == 0
    assert entries(redis_client) == []
    assert publish(context, stream) == 2


def test_a_message_about_a_payout_has_it_as_subject(
    rows: Rows, context: Context, stream: Stream, redis_client: "redis.Redis"
) -> None:
    message = rows.one(
        "INSERT INTO outbox (message_id, stripe_payout_id, type, data, occurred_at)"
        " VALUES (gen_random_uuid(), 'po_1', 'PayoutPaid', '{}', now()) RETURNING message_id::text AS id"
    )
    publish(context, stream)
    assert [(each["id"], each["subject"]) for each in entries(redis_client)] == [(message["id"], "po_1")]


def test_a_lost_stream_is_noticed_when_there_is_nothing_to_publish(
    scene: Scene, rows: Rows, context: Context, stream: Stream, redis_client: "redis.Redis"
) -> None:
    some_lives(scene)
    publish(context, stream)
    redis_client.flushdb()
    assert publish(context, stream) == len(rows(MESSAGES))
    assert_told(entries(redis_client), rows)
    assert publish(context, stream) == 0


def test_readers_that_delete_what_they_have_read_get_nothing_again(
    scene: Scene, rows: Rows, context: Context, stream: Stream, redis_client: "redis.Redis"
) -> None:
    for delete in (
        lambda ids: redis_client.xdel(NAME, ids[-1]),
        lambda ids: redis_client.xdel(NAME, *ids),
        lambda _: redis_client.xtrim(NAME, maxlen=0, approximate=False),
    ):
        some_lives(scene)
        publish(context, stream)
        found = cast("list[tuple[str, object]]", redis_client.xrange(NAME))
        delete([entry for entry, _ in found])  # type: ignore[no-untyped-call] # redis-py's types say async or not
        assert [publish(context, stream) for _ in range(3)] == [0, 0, 0]
    heard = len(entries(redis_client))
    scene.charge()
    assert publish(context, stream) == 2
    assert len(entries(redis_client)) == heard + 2
    assert rows("SELECT 1 FROM outbox WHERE published_at IS NULL") == []


def test_a_deleted_stream_is_published_again_once(
    scene: Scene, rows: Rows, context: Context, stream: Stream, redis_client: "redis.Redis"
) -> None:
    some_lives(scene)
    publish(context, stream)
    redis_client.xadd(NAME, {"event": "not one of ours"})
    redis_client.delete(NAME)
    assert [publish(context, stream) for _ in range(3)] == [len(rows(MESSAGES)), 0, 0]
    assert_told(entries(redis_client), rows)


def test_a_redis_restored_from_an_older_snapshot_gets_what_it_lost(
    scene: Scene, rows: Rows, context: Context, stream: Stream, redis_client: "redis.Redis"
) -> None:
    with closing(redis.Redis.from_url(str(redis_url_of(redis_client)))) as raw:
        some_lives(scene)
        publish(context, stream)
        snapshot = raw.dump(NAME)
        some_lives(scene)
        publish(context, stream)
        assert isinstance(snapshot, bytes)
        raw.restore(NAME, 0, snapshot, replace=True)
        some_lives(scene)
        publish(context, stream)
    assert_told(entries(redis_client), rows)


def redis_url_of(client: "redis.Redis") -> str:
    options = client.connection_pool.connection_kwargs
    return f"redis://{options['host']}:{options['port']}/{options['db']}"


def test_a_reader_that_makes_the_stream_anew_hides_no_loss(
    scene: Scene, rows: Rows, context: Context, stream: Stream, redis_client: "redis.Redis"
) -> None:
    some_lives(scene)
    publish(context, stream)
    redis_client.flushdb()
    redis_client.xgroup_create(NAME, "readers", id="0", mkstream=True)
    some_lives(scene)
    publish(context, stream)
    assert_told(entries(redis_client), rows)


def test_a_great_loss_is_made_good_in_several_steps(
    scene: Scene, rows: Rows, context: Context, stream: Stream, redis_client: "redis.Redis"
) -> None:
    scene.charge()
    publish(context, stream)
    rows(
        "INSERT INTO outbox (message_id, payment_id, type, data, occurred_at, published_at)"
        " SELECT gen_random_uuid(), payment_id, type, data, occurred_at, published_at"
        " FROM outbox, generate_series(1, %s) WHERE type = 'PaymentSucceeded'",
        AGAIN_AT_ONCE + 10,
    )
    redis_client.flushdb()
    assert publish(context, stream) == AGAIN_AT_ONCE + 12
    assert_told(entries(redis_client), rows)


def test_what_the_stream_cannot_have_held_is_not_published_again(
    scene: Scene, rows: Rows, context: Context, redis_url: str, redis_client: "redis.Redis"
) -> None:
    with closing(a_stream(redis_url, max_length=3)) as small:
        for _ in range(4):
            scene.charge()
            publish(context, small)
        redis_client.flushdb()
        assert publish(context, small) in {3, 4}
    rows("UPDATE outbox SET published_at = now() - interval '30 days'")
    redis_client.flushdb()
    with closing(a_stream(redis_url)) as stream:
        assert publish(context, stream) == 0


def test_a_period_is_published_again_on_request(
    scene: Scene, rows: Rows, context: Context, stream: Stream, redis_client: "redis.Redis"
) -> None:
    some_lives(scene)
    publish(context, stream)
    count = len(rows(MESSAGES))
    now = datetime.now(tz=UTC)
    assert replay(context, since=now, until=now + timedelta(hours=1)) == 0
    assert replay(context, since=now - timedelta(hours=1), until=now) == count
    publish(context, stream)
    assert len(entries(redis_client)) == 2 * count
    assert_told(entries(redis_client), rows)


def test_each_message_has_its_payment_as_subject_and_an_id_of_its_own(
    scene: Scene, context: Context, stream: Stream, redis_client: "redis.Redis"
) -> None:
    some_lives(scene)
    publish(context, stream)
    messages = entries(redis_client)
    assert len({message["id"] for message in messages}) == len(messages)
    assert all(UUID(message["subject"]) for message in messages)


def test_c5_real_workers_publish_everything_while_redis_is_killed_and_comes_back_empty(
    *,
    scene: Scene,
    rows: Rows,
    environment: dict[str, str],
    forgetful: Valkey,
    worker: Callable[..., Process],
    beat: Callable[..., Process],
) -> None:
    environment["REDIS_URL"] = forgetful.url()
    settings = {"PAYMENT_WORKER_PUBLISH_EVERY": "0.5", "PAYMENT_WORKER_RESUME_EVERY": "0.5"}
    worker(settings=settings, pool="threads")
    beat(settings=settings)
    with closing(Producer(forgetful.url())) as producer:
        payment_id, *_ = [producer.charge_something() for _ in range(4)]
    rows.wait_for("SELECT 1 FROM payment HAVING count(*) FILTER (WHERE status = 'SUCCEEDED') = 4")
    rows.wait_for("SELECT 1 FROM outbox HAVING count(published_at) = 8")
    forgetful.kill()
    scene.refund(UUID(payment_id), amount=700)
    forgetful.start()
    rows.wait_for(
        "SELECT 1 FROM outbox, stream_memory HAVING count(published_at) = count(*) AND count(*) = 10",
        seconds=60,
    )
    with closing(reader(forgetful.url())) as client:
        assert_told(entries(client), rows)
