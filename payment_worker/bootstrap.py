"""Builds the production context: settings, database, Stripe client, Redis stream, clock and random source."""

import os
import random
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from threading import Lock
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from payment_worker.domain.eligibility import RetryPolicy
from payment_worker.flows import rejections
from payment_worker.flows.context import Context, Policy
from payment_worker.flows.key_check import KeyCheck
from payment_worker.flows.metadata_secrets import MetadataSecrets
from payment_worker.flows.pauses import Pauses
from payment_worker.gateway.client import Gateway
from payment_worker.gateway.rate_limit.limiter import REDIS_TIMEOUT_SECONDS, RateLimiter
from payment_worker.gateway.rate_limit.limits import LIVE_RATE, STRIPE, TEST_RATE, Limits, Rate
from payment_worker.redis.client import redis_client
from payment_worker.redis.heartbeats import Consumers, Sweeps
from payment_worker.redis.stream import Stream
from payment_worker.settings import Settings
from payment_worker.store.connection.database import Database
from payment_worker.telemetry.metrics import REJECTED, task_label
from payment_worker.telemetry.recorder import count


@dataclass(frozen=True, slots=True)
class Process:
    """What one process holds open."""

    settings: Settings
    database: Database
    pauses: Pauses
    metadata_secrets: MetadataSecrets
    stripe: Gateway
    stream: Stream
    sweeps: Sweeps


@cache
def settings() -> Settings:
    """The settings that a process which moves money needs.

    Raises:
        SettingsError: with every fault.
    """
    return Settings.from_environment(needed_by=("broker", "database", "stripe"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """As much of the world as it takes to store events: no Stripe, and so no key of Stripe's."""

    database: Database
    clock: Callable[[], datetime]
    policy: Policy


def inbox(chosen: Settings, *, connections: int) -> Inbox:
    """The inbox as a receiver of webhooks fills it, over so many connections."""
    opened = database(chosen, connections=connections)
    return Inbox(database=opened, clock=opened.now, policy=policy(chosen))


def database(chosen: Settings, *, connections: int = 5) -> Database:
    """The Payment Database of these settings; nothing is connected yet."""
    return Database(_secret(chosen.database_url), connections=connections)


def redis(chosen: Settings, *, timeout_seconds: float) -> Any:  # noqa: ANN401 - redis-py's types say async or not
    """The Redis of these settings; nothing is connected yet."""
    return redis_client(_secret(chosen.redis_url), timeout_seconds=timeout_seconds)


class _Held:
    """What this process has made, and the lock under which it does."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget it: no connection survives a fork, and the lock may have been another thread's just then."""
        self.process: Process | None = None
        self.lock = Lock()


_held = _Held()
os.register_at_fork(after_in_child=_held.reset)


def process() -> Process:
    """What this process holds: made on first use, once for all its threads, and again in a child."""
    with _held.lock:
        if _held.process is None:
            _held.process = _open(settings())
        return _held.process


def _open(chosen: Settings) -> Process:
    opened = database(chosen)
    return Process(
        settings=chosen,
        database=opened,
        pauses=Pauses(opened),
        metadata_secrets=MetadataSecrets([each.get_secret_value() for each in chosen.metadata_secrets]),
        stripe=Gateway(
            api_key=_secret(chosen.stripe_api_key),
            api_base=chosen.stripe_api_base,
            timeout_seconds=chosen.stripe_timeout,
            traffic=RateLimiter(redis(chosen, timeout_seconds=REDIS_TIMEOUT_SECONDS), limits(chosen)),
            check_key=KeyCheck(opened, livemode=bool(is_live(chosen))),
        ),
        stream=Stream(
            _secret(chosen.redis_url),
            name=chosen.stream,
            max_length=chosen.stream_max_length,
            bell_seconds=chosen.publish_every,
        ),
        sweeps=Sweeps(redis(chosen, timeout_seconds=REDIS_TIMEOUT_SECONDS)),
    )


def now() -> datetime:
    """The machine's clock, for people and for Redis: what is due, and how old a key is, PostgreSQL's says."""
    return datetime.now(tz=UTC)


def context(*, actor: str, notify_relay: Callable[[], None] = lambda: None) -> Context:
    """The world that a flow works in, as this actor."""
    held = process()
    return Context(
        database=held.database,
        stripe=held.stripe,
        clock=held.database.now,
        machine_skew=held.database.machine_skew,
        jitter=random.random,
        policy=policy(held.settings),
        pauses=held.pauses,
        metadata_secrets=held.metadata_secrets,
        actor=f"{actor} on {_host()}",
        notify_relay=notify_relay,
    )


@cache
def policy(chosen: Settings) -> Policy:
    """The settings as rules."""
    return Policy(
        lease=timedelta(seconds=chosen.lease),
        key_safe_age=timedelta(seconds=chosen.key_safe_age),
        absence_delay=timedelta(seconds=chosen.absence_delay),
        max_attempts=chosen.max_attempts,
        action_expiry=timedelta(seconds=chosen.action_expiry),
        livemode=bool(is_live(chosen)),
        retries=RetryPolicy(
            automatic=chosen.automatic_retries,
            first_delay=timedelta(seconds=chosen.automatic_retry_after),
            most=chosen.retries_most,
            most_in_period=chosen.retries_in_period,
            period=timedelta(seconds=chosen.retries_period),
        ),
        republish_window=timedelta(seconds=chosen.republish_window),
    )


@cache
def limits(chosen: Settings) -> Limits:
    """The settings as limits for calls to Stripe."""
    rate = chosen.stripe_rate
    if rate is None and chosen.stripe_api_base.rstrip("/") == STRIPE:
        rate = LIVE_RATE if is_live(chosen) else TEST_RATE
    return Limits(
        account=Rate(rate) if rate else None,
        endpoint=Rate(chosen.stripe_endpoint_rate) if chosen.stripe_endpoint_rate else None,
        failures=chosen.breaker_failures,
        cool_down_seconds=chosen.breaker_cool_down,
        # A call ends within its time; as much again for a process that was stopped meanwhile.
        probe_seconds=2 * chosen.stripe_timeout,
    )


def is_live(chosen: Settings) -> bool | None:
    """Whether this is Stripe's live mode; None where neither a key nor PAYMENT_WORKER_STRIPE_MODE says."""
    key = _secret(chosen.stripe_api_key)
    if key:
        return key.startswith(("sk_live_", "rk_live_"))
    return chosen.stripe_mode == "live" if chosen.stripe_mode else None


def webhook_secrets(chosen: Settings | None = None) -> tuple[str, ...]:
    """The endpoint's signing secrets; empty where this process has none."""
    return tuple(secret.get_secret_value() for secret in (chosen or settings()).stripe_webhook_secret)


def keep_rejected(
    task: str,
    arguments: Mapping[str, object],
    errors: Sequence[Mapping[str, str]],
    *,
    request_id: str,
) -> None:
    """Keep a request that cannot be run, masked, and tell of it. Once this returns it is committed."""
    held = process().database
    with held.begin() as connection:
        rejections.keep_rejected(
            connection,
            request_id=message_id(request_id),
            task=task,
            arguments=arguments,
            errors=errors,
            now=held.now(),
        )
    count(REJECTED, task_label(task))


def note_consumed(worker: str, taken: Collection[str], *, of: Collection[str]) -> None:
    """Note from which of all queues a worker takes messages, if Redis is there."""
    _consumers().note(worker, taken, of=of)


@cache
def _consumers() -> Consumers:
    """Of the worker's main process, which alone takes messages."""
    chosen = Settings.from_environment(needed_by=("broker",))
    return Consumers(redis(chosen, timeout_seconds=REDIS_TIMEOUT_SECONDS))


def message_id(text: str) -> UUID:
    """The id of a Celery message as a UUID, which most clients make it anyhow."""
    try:
        return UUID(text)
    except ValueError:
        # Another client's ids may look otherwise: the same one is the same request all the same.
        return uuid5(NAMESPACE_OID, text)


def _secret(value: object) -> str:
    return value.get_secret_value() if hasattr(value, "get_secret_value") else ""


@cache
def _host() -> str:
    return socket.gethostname()
