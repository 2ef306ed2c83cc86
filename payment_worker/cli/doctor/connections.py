"""Doctor's checks that PostgreSQL, Redis, workers and beat respond and are set up for this worker."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any, Final, TypeVar

from kombu.exceptions import OperationalError
from redis.exceptions import NoPermissionError, RedisError

from payment_worker import bootstrap
from payment_worker.celery import app
from payment_worker.cli.remedies import for_database, for_redis
from payment_worker.monitoring.check import Check, fine, problem, warning
from payment_worker.monitoring.queues import NO_QUEUE, misdirected
from payment_worker.redis.client import hosts
from payment_worker.redis.heartbeats import Consumers, Sweeps
from payment_worker.redis.outage import trouble
from payment_worker.settings import Settings
from payment_worker.store import metadata_secret
from payment_worker.store.connection import migrate, probes
from payment_worker.store.connection.database import Connection, Database, DatabaseUnavailableError
from payment_worker.telemetry.formats import duration

T = TypeVar("T")

REDIS_SECONDS: Final = 2.0
PROBE_KEY: Final = "payment_worker:probe"
"""Written and deleted to test writes: a replica, or a Redis that is full, still answers reads."""

KEEPS_ALL: Final = "noeviction"
"""The only eviction policy under which a full Redis rejects writes instead of deleting keys."""


def database(payment_database: Database) -> Iterator[Check]:
    """Check that PostgreSQL accepts writes and has the expected migrations."""
    began = time.monotonic()
    try:
        with payment_database.begin() as connection:
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
    yield fine("database", f"responds in {_milliseconds(began)}")
    if is_behind:
        yield problem("migrations", "not all migrations were run", remedy="payment-worker migrate")
    elif unknown := migrate.unknown_revision(connection):
        yield warning(
            "migrations",
            f"revision {unknown} is unknown to this version: a newer version has migrated the database",
            remedy="nothing to do during an upgrade; else install the newer version",
        )
    else:
        yield fine("migrations", f"up to date: {migrate.newest()}")


def broker(settings: Settings) -> Iterator[Check]:
    """Check that Redis accepts writes, and report the queue lengths."""
    began = time.monotonic()
    try:
        with app.connection_for_write() as connection:
            client = connection.default_channel.client
            client.ping()
            latency = _milliseconds(began)
            queue_lengths = {queue.name: client.llen(queue.name) for queue in app.conf.task_queues}
            count = misdirected(client)
            client.set(PROBE_KEY, 1, px=1)
            policy = _eviction_policy(client)
    except (OperationalError, RedisError, OSError) as error:
        fault = trouble(error)
        address = hosts(settings.redis_url.get_secret_value()) if settings.redis_url else "?"
        yield problem("broker", f"cannot serve: {fault} at {address}", remedy=for_redis(fault))
        return
    lengths = ", ".join(f"{name} {length}" for name, length in queue_lengths.items())
    yield fine("broker", f"responds in {latency}; messages waiting: {lengths}")
    yield from _eviction(policy)
    if count:
        yield problem(
            "misdirected",
            f"{count} {'messages' if count > 1 else 'message'} for our tasks in list {NO_QUEUE}, which no worker reads",
            remedy="make the app name the queue (queue='charges'), send them again, and delete them from that list",
        )


def _eviction_policy(client: Any) -> str | None:  # noqa: ANN401 - redis-py's types say async or not
    """Redis' maxmemory-policy; None if it cannot be read, as with some managed services."""
    try:
        return str(client.info("memory").get("maxmemory_policy") or "") or None
    except NoPermissionError:
        return None


def _eviction(policy: str | None) -> Iterator[Check]:
    """Check that Redis cannot evict queues: a request that has no row yet would be lost without a trace."""
    remedy = f"set maxmemory-policy {KEEPS_ALL}; keep caches in a Redis of their own"
    if policy is None:
        unread_remedy = (
            f"make sure that maxmemory-policy is {KEEPS_ALL}; the ACL permission +info lets doctor read it"
        )
        yield warning("eviction", "maxmemory-policy cannot be read", remedy=unread_remedy)
    elif policy.startswith("allkeys-"):
        yield problem("eviction", f"{policy}: a full Redis deletes waiting requests", remedy=remedy)
    elif policy != KEEPS_ALL:  # volatile-…: no queue and no stream of ours expires
        yield warning("eviction", f"{policy}: a full Redis deletes keys that have an expiry", remedy=remedy)


def workers(settings: Settings) -> Iterator[Check]:
    """Check that every queue has a consumer."""
    try:
        client = bootstrap.redis(settings, timeout_seconds=REDIS_SECONDS)
        counts = Consumers(client).count([queue.name for queue in app.conf.task_queues])
    except RedisError:
        return  # said above
    if unconsumed := [queue for queue, count in counts.items() if not count]:
        yield problem(
            "workers",
            f"no worker consumes: {', '.join(unconsumed)}",
            remedy=f"start one: celery -A payment_worker worker -Q {','.join(unconsumed)}; "
            f"if one runs: celery -A payment_worker control add_consumer {unconsumed[0]}",
        )
        return
    pending = ", ".join(f"{queue} {count}" for queue, count in counts.items())
    yield fine("workers", f"workers per queue: {pending}")


def beat(settings: Settings) -> Iterator[Check]:
    """Check that the sweep runs, for which beat and a worker are needed."""
    start = "start beat, and a worker of queue maintenance: celery -A payment_worker beat | worker"
    try:
        client = bootstrap.redis(settings, timeout_seconds=REDIS_SECONDS)
        swept_at = Sweeps(client).last().get("resume_stalled")
    except RedisError:
        return  # said above
    if swept_at is None:
        yield warning("beat", "no sweep has run since Redis was started or emptied", remedy=start)
        return
    age = max(bootstrap.now() - swept_at, timedelta())
    # Three sweeps missed in a row is no chance.
    is_late = age > timedelta(seconds=max(30.0, 3 * settings.resume_every))
    text = f"the last sweep was {duration(age)} ago"
    yield problem("beat", text, remedy=start) if is_late else fine("beat", text)


def secrets(settings: Settings) -> Iterator[Check]:
    """Check that a webhook signing secret is set; without one events arrive by the poll alone."""
    count = len(settings.stripe_webhook_secret)
    if count == 0:
        yield warning(
            "webhook secret",
            "not set: events arrive by the poll alone, a minute or more late",
            remedy="set STRIPE_WEBHOOK_SECRET to the endpoint's signing secret, whsec_…",
        )
    else:
        yield fine("webhook secret", f"{count} {'is' if count == 1 else 'are'} set")


def metadata_secrets(settings: Settings) -> Iterator[Check]:
    """Check that the secrets of our metadata MAC are a setting, and so survive a loss of the database."""
    configured = [each.get_secret_value() for each in settings.metadata_secrets]
    if not configured:
        yield warning(
            "metadata secret",
            "stored in the database only: if both are lost, no payment can be restored from Stripe",
            remedy="set PAYMENT_WORKER_METADATA_SECRETS to a new secret and, after a comma, the stored one",
        )
    elif stored(settings, metadata_secret.read) not in {*configured, None}:
        yield warning(
            "metadata secret",
            "the one stored in the database is not among the configured: what it signed proves nothing",
            remedy="add it to PAYMENT_WORKER_METADATA_SECRETS after a comma: SELECT secret FROM metadata_secret",
        )
    else:
        yield fine("metadata secret", f"{len(configured)} {'is' if len(configured) == 1 else 'are'} set")


def stored(settings: Settings, query: Callable[[Connection], T]) -> T | None:
    """What the database says; None if it cannot serve, which its own check reports."""
    if not settings.database_url:
        return None
    try:
        with (
            closing(bootstrap.database(settings, connections=1)) as database,
            database.begin() as connection,
        ):
            return query(connection)
    except DatabaseUnavailableError:
        return None


def _milliseconds(began: float) -> str:
    return f"{(time.monotonic() - began) * 1000:.0f} ms"
