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

from payment_worker.domain.retry_policy import RetryPolicy
from payment_worker.domain.uuids import as_uuid
from payment_worker.flows import rejections
from payment_worker.flows.context import Context, Policy
from payment_worker.flows.key_check import KeyCheck
from payment_worker.flows.metadata_secrets import MetadataSecrets
from payment_worker.flows.pauses import Pauses
from payment_worker.gateway.account.key_owner import ApiKey
from payment_worker.gateway.client import Gateway
from payment_worker.gateway.rate_limit.limiter import REDIS_TIMEOUT_SECONDS, RateLimiter
from payment_worker.gateway.rate_limit.limits import LIVE_RATE, STRIPE, TEST_RATE, Limits, Rate
from payment_worker.redis.client import redis_client
from payment_worker.redis.heartbeats import Consumers, Sweeps
from payment_worker.redis.stream import Stream
from payment_worker.settings import Settings, named_secret
from payment_worker.store.connection.database import Database
from payment_worker.telemetry.metrics import REJECTED, task_label
from payment_worker.telemetry.recorder import count


@dataclass(frozen=True, slots=True)
class Process:
    """The connections and clients of one process."""

    settings: Settings
    policy: Policy
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


def database(settings: Settings, *, connections: int = 5) -> Database:
    """The Payment Database of these settings; it connects on first use."""
    return Database(_secret(settings.database_url), connections=connections)


def redis(settings: Settings, *, timeout_seconds: float) -> Any:  # noqa: ANN401 - redis-py's types say async or not
    """The Redis of these settings; it connects on first use."""
    return redis_client(_secret(settings.redis_url), timeout_seconds=timeout_seconds)


class _Held:
    """The process's connections and clients, and the lock under which they are created."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Drop them after a fork: connections must not be shared, and another thread may have held the lock."""
        self.process: Process | None = None
        self.lock = Lock()


_held = _Held()
os.register_at_fork(after_in_child=_held.reset)


def process() -> Process:
    """The process's connections and clients: created on first use, once for all threads, and again in a child."""
    with _held.lock:
        if _held.process is None:
            _held.process = _open(settings())
        return _held.process


def _open(settings: Settings) -> Process:
    opened = database(settings)
    return Process(
        settings=settings,
        policy=policy(settings),
        database=opened,
        pauses=Pauses(opened),
        metadata_secrets=MetadataSecrets([each.get_secret_value() for each in settings.metadata_secrets]),
        stripe=Gateway(
            api_keys={
                name: ApiKey(secret, KeyCheck(opened, account=name, livemode=bool(is_live(settings))))
                for name, secret in api_keys(settings).items()
            },
            api_base=settings.stripe_api_base,
            timeout_seconds=settings.stripe_timeout,
            rate_limiter=RateLimiter(
                redis(settings, timeout_seconds=REDIS_TIMEOUT_SECONDS), limits(settings)
            ),
        ),
        stream=Stream(
            _secret(settings.redis_url),
            name=settings.stream,
            max_length=settings.stream_max_length,
            hint_seconds=settings.publish_every,
        ),
        sweeps=Sweeps(redis(settings, timeout_seconds=REDIS_TIMEOUT_SECONDS)),
    )


def now() -> datetime:
    """The machine's clock, for display and for Redis: PostgreSQL's decides what is due and how old a key is."""
    return datetime.now(tz=UTC)


def context(
    *,
    actor: str,
    notify_relay: Callable[[], None] = lambda: None,
    notify_import: Callable[[str], None] = lambda _: None,
) -> Context:
    """The context of a flow, with this actor."""
    current = process()
    return Context(
        database=current.database,
        stripe=current.stripe,
        clock=current.database.now,
        machine_skew=current.database.machine_skew,
        jitter=random.random,
        policy=current.policy,
        pauses=current.pauses,
        metadata_secrets=current.metadata_secrets,
        actor=f"{actor} on {_host()}",
        notify_relay=notify_relay,
        notify_import=notify_import,
    )


def policy(settings: Settings) -> Policy:
    """The settings as the flows' policy."""
    return Policy(
        lease=timedelta(seconds=settings.lease),
        key_safe_age=timedelta(seconds=settings.key_safe_age),
        absence_delay=timedelta(seconds=settings.absence_delay),
        max_attempts=settings.max_attempts,
        action_expiry=timedelta(seconds=settings.action_expiry),
        fraud_refund_within=timedelta(seconds=settings.fraud_refund_within),
        livemode=bool(is_live(settings)),
        retries=RetryPolicy(
            automatic=settings.automatic_retries,
            first_delay=timedelta(seconds=settings.automatic_retry_after),
            most=settings.retries_most,
            most_in_period=settings.retries_in_period,
            period=timedelta(seconds=settings.retries_period),
        ),
        republish_window=timedelta(seconds=settings.republish_window),
    )


def limits(settings: Settings) -> Limits:
    """The settings as limits for calls to Stripe."""
    rate = settings.stripe_rate
    if rate is None and settings.stripe_api_base.rstrip("/") == STRIPE:
        rate = LIVE_RATE if is_live(settings) else TEST_RATE
    return Limits(
        account=Rate(rate) if rate else None,
        endpoint=Rate(settings.stripe_endpoint_rate) if settings.stripe_endpoint_rate else None,
        failures=settings.breaker_failures,
        cool_down_seconds=settings.breaker_cool_down,
        # A call ends within its time; as much again for a process that was stopped meanwhile.
        probe_seconds=2 * settings.stripe_timeout,
    )


def is_live(settings: Settings) -> bool | None:
    """Whether this is Stripe's live mode; None if neither a key nor PAYMENT_WORKER_STRIPE_MODE is set."""
    key = _secret(settings.stripe_api_key)
    if key:
        return key.startswith(("sk_live_", "rk_live_"))
    return settings.stripe_mode == "live" if settings.stripe_mode else None


def api_keys(settings: Settings) -> Mapping[str, str]:
    """The API keys by the name of their account, which is empty for STRIPE_API_KEY."""
    named = (named_secret(each.get_secret_value()) for each in settings.stripe_api_keys)
    return {"": _secret(settings.stripe_api_key), **dict(named)}


def webhook_secrets(loaded: Settings | None = None) -> Sequence[tuple[str, str]]:
    """The signing secrets of the webhook endpoints, each after the name of its account; empty if there are none."""
    secrets = (loaded or settings()).stripe_webhook_secret
    return tuple(named_secret(each.get_secret_value()) for each in secrets)


def keep_rejected(
    task: str,
    arguments: Mapping[str, object],
    errors: Sequence[Mapping[str, str]],
    *,
    request_id: str,
) -> None:
    """Store a request that cannot be run, masked, and publish it. It is committed when this returns."""
    payment_database = process().database
    with payment_database.begin() as connection:
        rejections.keep_rejected(
            connection,
            request_id=message_id(request_id),
            task=task,
            arguments=arguments,
            errors=errors,
            now=payment_database.now(),
        )
    count(REJECTED, task_label(task))


def record_consumed(worker: str, consumed: Collection[str], *, queues: Collection[str]) -> None:
    """Record which of all queues a worker consumes, if Redis is reachable."""
    _consumers().record(worker, consumed, queues=queues)


@cache
def _consumers() -> Consumers:
    """For the worker's main process, which alone consumes queues."""
    settings = Settings.from_environment(needed_by=("broker",))
    return Consumers(redis(settings, timeout_seconds=REDIS_TIMEOUT_SECONDS))


def message_id(text: str) -> UUID:
    """The id of a Celery message as a UUID, which it is with most clients."""
    # Other clients' ids may have another form: the same id is still the same request.
    return as_uuid(text) or uuid5(NAMESPACE_OID, text)


def _secret(value: object) -> str:
    return value.get_secret_value() if hasattr(value, "get_secret_value") else ""


@cache
def _host() -> str:
    return socket.gethostname()
