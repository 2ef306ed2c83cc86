"""Doctor's checks that PostgreSQL, Redis, workers and beat respond and are set up for this worker."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from kombu.exceptions import OperationalError
from redis.exceptions import NoPermissionError, RedisError

from payment_worker import bootstrap
from payment_worker.celery import app
from payment_worker.cli.doctor.check import Check, fine, note, problem
from payment_worker.cli.remedies import for_database, for_redis
from payment_worker.monitoring.queues import NO_QUEUE, misdirected
from payment_worker.redis.client import hosts
from payment_worker.redis.heartbeats import Consumers, Sweeps
from payment_worker.redis.outage import trouble
from payment_worker.settings import Settings
from payment_worker.store.connection import migrate, probes
from payment_worker.store.connection.database import Connection, Database, DatabaseUnavailableError
from payment_worker.telemetry.formats import duration

REDIS_SECONDS: Final = 2.0
PROBE_KEY: Final = "payment_worker:probe"
"""Written for a millisecond: a replica, or a Redis that is full, reads all the same."""

KEEPS_ALL: Final = "noeviction"
"""The one policy with which a full Redis refuses new keys instead of deleting some."""


def database(reached: Database) -> Iterator[Check]:
    """PostgreSQL: whether it takes rows, and whether its tables are ours."""
    began = time.monotonic()
    try:
        with reached.begin() as connection:
            yield from _database(connection, began)
    except DatabaseUnavailableError as error:
        yield problem("database", f"cannot serve: {error}", remedy=for_database(error.outage))


def _database(connection: Connection, began: float) -> Iterator[Check]:
    if unfit := probes.unfit(connection):
        yield problem("database", unfit.fault, remedy=unfit.remedy)
        return
    is_behind = migrate.is_behind(connection)
    if not is_behind:
        probes.write_and_roll_back(connection)
    yield fine("database", f"answers in {_milliseconds(began)}")
    if is_behind:
        yield problem("migrations", "some were not run", remedy="payment-worker migrate")
    elif unknown := migrate.unknown_revision(connection):
        yield note(
            "migrations",
            f"{unknown} is unknown to this version: a newer one has migrated",
            remedy="nothing while an upgrade is under way; else install the version that migrated it",
        )
    else:
        yield fine("migrations", f"all of them were run, up to {migrate.newest()}")


def broker(chosen: Settings) -> Iterator[Check]:
    """Redis, and what waits in it."""
    began = time.monotonic()
    try:
        with app.connection_for_write() as connection:
            client = connection.default_channel.client
            client.ping()
            answered = _milliseconds(began)
            waiting = {queue.name: client.llen(queue.name) for queue in app.conf.task_queues}
            lost = misdirected(client)
            client.set(PROBE_KEY, 1, px=1)
            policy = _eviction_policy(client)
    except (OperationalError, RedisError, OSError) as error:
        why = trouble(error)
        where = hosts(chosen.redis_url.get_secret_value()) if chosen.redis_url else "?"
        yield problem("broker", f"cannot serve: {why} at {where}", remedy=for_redis(why))
        return
    lengths = ", ".join(f"{name} {length}" for name, length in waiting.items())
    yield fine("broker", f"answers in {answered}; messages waiting: {lengths}")
    yield from _eviction(policy)
    if lost:
        yield problem(
            "misdirected",
            f"{lost} {'messages' if lost > 1 else 'message'} for our tasks in list {NO_QUEUE}, which no worker reads",
            remedy="have the app name the queue (queue='charges'), send them again, and delete them there",
        )


def _eviction_policy(client: Any) -> str | None:  # noqa: ANN401 - redis-py's types say async or not
    """What Redis does when its memory is full; None where it does not tell, as some managed ones do not."""
    try:
        return str(client.info("memory").get("maxmemory_policy") or "") or None
    except NoPermissionError:
        return None


def _eviction(policy: str | None) -> Iterator[Check]:
    """Whether Redis may delete what waits in it: a request that has no row yet would be gone without a trace."""
    remedy = f"set maxmemory-policy {KEEPS_ALL}; keep caches in a Redis of their own"
    if policy is None:
        unread = f"see that maxmemory-policy is {KEEPS_ALL}; an access list lets it be read with +info"
        yield note("eviction", "Redis does not tell its maxmemory-policy", remedy=unread)
    elif policy.startswith("allkeys-"):
        yield problem("eviction", f"{policy}: a full Redis deletes requests that wait", remedy=remedy)
    elif policy != KEEPS_ALL:  # volatile-…: no queue and no stream of ours expires
        yield note("eviction", f"{policy}: a full Redis deletes keys that expire", remedy=remedy)


def workers(chosen: Settings) -> Iterator[Check]:
    """Whether somebody takes messages from each queue."""
    try:
        client = bootstrap.redis(chosen, timeout_seconds=REDIS_SECONDS)
        counts = Consumers(client).count([queue.name for queue in app.conf.task_queues])
    except RedisError:
        return  # said above
    if unread := [queue for queue, count in counts.items() if not count]:
        yield problem(
            "workers",
            f"none takes messages from: {', '.join(unread)}",
            remedy=f"celery -A payment_worker worker -Q {','.join(unread)}; "
            f"where one runs: celery -A payment_worker control add_consumer {unread[0]}",
        )
        return
    told = ", ".join(f"{queue} {count}" for queue, count in counts.items())
    yield fine("workers", f"taking messages from: {told}")


def beat(chosen: Settings) -> Iterator[Check]:
    """Whether somebody sweeps: beat enqueues, and a worker does it."""
    start = "start beat, and a worker of queue maintenance: celery -A payment_worker beat | worker"
    try:
        client = bootstrap.redis(chosen, timeout_seconds=REDIS_SECONDS)
        swept_at = Sweeps(client).last().get("resume_stalled")
    except RedisError:
        return  # said above
    if swept_at is None:
        yield note("beat", "Redis remembers no sweep", remedy=start)
        return
    ago = max(bootstrap.now() - swept_at, timedelta())
    # Three sweeps missed in a row is no chance.
    is_late = ago > timedelta(seconds=max(30.0, 3 * chosen.resume_every))
    said = f"the last sweep was {duration(ago)} ago"
    yield problem("beat", said, remedy=start) if is_late else fine("beat", said)


def secrets(chosen: Settings) -> Iterator[Check]:
    """The webhook's secrets; without one only the poll brings events."""
    count = len(chosen.stripe_webhook_secret)
    if count == 0:
        yield note(
            "webhook secret",
            "none is set: events come by the poll alone, a minute or more late",
            remedy="set STRIPE_WEBHOOK_SECRET to the endpoint's signing secret, whsec_…",
        )
    else:
        yield fine("webhook secret", f"{count} {'is' if count == 1 else 'are'} set")


def metadata_secrets(chosen: Settings) -> Iterator[Check]:
    """What signs the metadata of our objects at Stripe, and whether it outlives the database."""
    count = len(chosen.metadata_secrets)
    if count == 0:
        yield note(
            "metadata secret",
            "only the database holds it: if both are lost, no payment can be restored from Stripe unnamed",
            remedy="set PAYMENT_WORKER_METADATA_SECRETS to a new secret, and after a comma to the database's own",
        )
    else:
        yield fine("metadata secret", f"{count} {'is' if count == 1 else 'are'} set")


def _milliseconds(began: float) -> str:
    return f"{(time.monotonic() - began) * 1000:.0f} ms"
