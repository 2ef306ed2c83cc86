"""Every setting with its type, default and reason."""

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from payment_worker.settings.environment import SettingsError, told, unknown_in, values_in
from payment_worker.settings.ports import is_open_http
from payment_worker.settings.values import (
    APIKey,
    BackendURL,
    ConsoleUsers,
    DatabaseURL,
    HttpURL,
    MetadataSecrets,
    Names,
    Networks,
    RedisURL,
    Seconds,
    SigningSecrets,
)

MAX_REDELIVERIES: Final = 10
"""A message that came back so often has outlived as many workers, or no task could be ended properly."""

Role = Literal["broker", "database", "stripe", "webhook", "console"]

_NEEDED: Mapping[Role, tuple[str, ...]] = {
    "broker": ("redis_url",),
    "database": ("database_url",),
    "stripe": ("stripe_api_key",),
    "webhook": ("stripe_webhook_secret",),
    "console": ("console_auth",),
}
_INSTEAD: Mapping[str, str] = {"console_auth": "console_user_header"}
"""A setting that does in the place of a needed one."""


class Settings(BaseModel):
    """All settings. Names in the environment: the field's alias, and the same with `_FILE` for a file that holds it."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    database_url: DatabaseURL | None = Field(
        None,
        alias="DATABASE_URL",
        description="The Payment Database, `postgresql://user:password@host/name`, as libpq takes it: several hosts "
        "(`host1,host2:5433`, of which the writable one is used), `?host=/run/postgresql`, `sslmode`, `options`.",
    )
    redis_url: RedisURL | None = Field(
        None,
        alias="REDIS_URL",
        description="The broker and the stream of outcomes: `redis://`, `rediss://`, `sentinel://` or "
        "`unix:///path?db=0`. `valkey://` and `redis+socket://` are taken, too.",
    )
    stripe_api_key: APIKey | None = Field(
        None,
        alias="STRIPE_API_KEY",
        description="Stripe's secret key; `sk_test_…` or `sk_live_…`, or a restricted one.",
    )
    stripe_mode: Literal["test", "live"] | None = Field(
        None,
        alias="PAYMENT_WORKER_STRIPE_MODE",
        description="`test` or `live`, for the webhook receiver, which needs no key to tell the one from the other. "
        "Where it is not set: what STRIPE_API_KEY is.",
    )
    stripe_webhook_secret: SigningSecrets = Field(
        (),
        alias="STRIPE_WEBHOOK_SECRET",
        description="The endpoint's signing secrets, comma-separated: two are valid at once while one is rolled.",
    )
    metadata_secrets: MetadataSecrets = Field(
        (),
        alias="PAYMENT_WORKER_METADATA_SECRETS",
        description="The secrets of the MAC that the metadata of our objects carry at Stripe, comma-separated: the "
        "first signs, all verify. Where it is not set: one that the first migration made, lost with the database.",
    )
    stripe_api_base: HttpURL = Field(
        "https://api.stripe.com",
        alias="STRIPE_API_BASE",
        description="Another host than Stripe's: the simulator, or a proxy.",
    )
    stripe_timeout: Seconds = Field(
        20,
        alias="PAYMENT_WORKER_STRIPE_TIMEOUT",
        description="Seconds one call to Stripe may take, from connecting to the last byte of its answer, before "
        "its outcome counts as unknown. "
        "Where it is not set: less than 20 if the lease or the absence delay is short.",
    )
    stripe_rate: float | None = Field(
        None,
        alias="PAYMENT_WORKER_STRIPE_RATE",
        gt=0,
        le=100_000,
        description="Calls a second that all workers together begin for one Stripe account. Where it is not set: 100 "
        "with a live key and 25 with a test key, which are Stripe's limits; with another STRIPE_API_BASE no limit.",
    )
    stripe_endpoint_rate: float | None = Field(
        None,
        alias="PAYMENT_WORKER_STRIPE_ENDPOINT_RATE",
        gt=0,
        le=100_000,
        description="Calls a second to one endpoint: charges, refunds, and all others together. Where it is not set: "
        "only the account's rate counts. Stripe grants most endpoints 25 and some more; a 429 whose "
        "`Stripe-Rate-Limited-Reason` is `endpoint-rate` says that yours needs this.",
    )
    breaker_failures: int = Field(
        10,
        alias="PAYMENT_WORKER_BREAKER_FAILURES",
        ge=1,
        le=10_000,
        description="Calls in a row to which Stripe gave no answer, or a server error, before all calls are held.",
    )
    breaker_cool_down: float = Field(
        10,
        alias="PAYMENT_WORKER_BREAKER_COOL_DOWN",
        gt=0,
        le=300,
        description="Seconds that calls are held before one of them probes whether Stripe is back. "
        "Doubles up to 300 with each probe that fails.",
    )
    lease: Seconds = Field(
        60,
        alias="PAYMENT_WORKER_LEASE",
        description="Seconds a worker owns an attempt or an event; a dead owner's work is taken over after it. "
        "Where it is not set: less than 60 if the visibility timeout is shorter than 6.",
    )
    # Not `Seconds`: of two limits pydantic keeps the one that comes with the type.
    key_safe_age: float = Field(
        82_800,
        alias="PAYMENT_WORKER_KEY_SAFE_AGE",
        gt=0,
        le=86_400,
        description="Seconds after which an idempotency key is never sent again. Stripe forgets keys after 24 h.",
    )
    absence_delay: Seconds = Field(
        120,
        alias="PAYMENT_WORKER_ABSENCE_DELAY",
        description="Seconds after the last request before Stripe's “no such object” is believed.",
    )
    resume_every: Seconds = Field(
        10,
        alias="PAYMENT_WORKER_RESUME_EVERY",
        description="Seconds between sweeps for work that is due or orphaned.",
    )
    publish_every: Seconds = Field(
        5, alias="PAYMENT_WORKER_PUBLISH_EVERY", description="Seconds between sweeps of the outbox."
    )
    poll_every: Seconds = Field(
        60, alias="PAYMENT_WORKER_POLL_EVERY", description="Seconds between polls of Stripe's list of events."
    )
    poll_overlap: Seconds = Field(
        300,
        alias="PAYMENT_WORKER_POLL_OVERLAP",
        description="Seconds that poll windows overlap: Stripe's list is eventually consistent.",
    )
    reconcile_every: Seconds = Field(
        3600, alias="PAYMENT_WORKER_RECONCILE_EVERY", description="Seconds between scheduled reconciliations."
    )
    visibility_timeout: Seconds = Field(
        300,
        alias="PAYMENT_WORKER_VISIBILITY_TIMEOUT",
        description="Seconds after which Redis hands an unacknowledged message to another worker. Should be more than "
        "the lease, and may not be less than a tenth of it.",
    )
    max_attempts: int = Field(
        3,
        alias="PAYMENT_WORKER_MAX_ATTEMPTS",
        ge=1,
        le=20,
        description="Attempts the worker makes by itself when Stripe turns out never to have executed the one before.",
    )
    automatic_retries: int = Field(
        0,
        alias="PAYMENT_WORKER_AUTOMATIC_RETRIES",
        ge=0,
        le=20,
        description="Times that the worker tries a declined payment again by itself, where the decline allows it. "
        "0: never; only `payment_worker.retry_charge` does.",
    )
    automatic_retry_after: Seconds = Field(
        86_400,
        alias="PAYMENT_WORKER_AUTOMATIC_RETRY_AFTER",
        description="Seconds from a decline to the first of those; doubled before each further one.",
    )
    retries_most: int = Field(
        20,
        alias="PAYMENT_WORKER_RETRIES_MOST",
        ge=0,
        le=1000,
        description="Times in all that one payment is tried again, asked for or by itself.",
    )
    retries_in_period: int = Field(
        14,
        alias="PAYMENT_WORKER_RETRIES_IN_PERIOD",
        ge=0,
        le=1000,
        description="The same within PAYMENT_WORKER_RETRIES_PERIOD. With the charge itself that is Visa's cap of 15 "
        "in 30 days.",
    )
    retries_period: Seconds = Field(
        2_592_000, alias="PAYMENT_WORKER_RETRIES_PERIOD", description="Seconds in that period."
    )
    result_backend: BackendURL | None = Field(
        None,
        alias="PAYMENT_WORKER_RESULT_BACKEND",
        description="Where task results are kept. None: callers read the tables or the stream.",
    )
    stream: str = Field(
        "payment_worker.events",
        alias="PAYMENT_WORKER_STREAM",
        min_length=1,
        description="The Redis stream on which outcomes are told.",
    )
    stream_max_length: int = Field(
        1_000_000,
        alias="PAYMENT_WORKER_STREAM_MAX_LENGTH",
        ge=100,
        description="About how many messages the stream keeps. Older ones can be replayed from the database.",
    )
    republish_window: Seconds = Field(
        86_400,
        alias="PAYMENT_WORKER_REPUBLISH_WINDOW",
        description="Seconds back from which messages are told again when Redis has lost the stream, or a part of it.",
    )
    retention_money: Seconds = Field(
        220_924_800,
        alias="PAYMENT_WORKER_RETENTION_MONEY",
        description="Seconds after which the attempts and the history of a payment to which nothing happens any more "
        "are archived: by default seven years, as tax laws want.",
    )
    retention_events: Seconds = Field(
        7_776_000,
        alias="PAYMENT_WORKER_RETENTION_EVENTS",
        description="Seconds for which events of Stripe's are kept once they are over. The default of 90 days is "
        "longer than Stripe itself lists them.",
    )
    retention_outbox: Seconds = Field(
        2_592_000,
        alias="PAYMENT_WORKER_RETENTION_OUTBOX",
        description="Seconds for which messages are kept once they are published; until then they can be replayed.",
    )
    retention_reports: Seconds = Field(
        31_536_000,
        alias="PAYMENT_WORKER_RETENTION_REPORTS",
        description="Seconds for which rejected requests, and reconciliations with what they found, are kept. What is "
        "still open is kept longer.",
    )
    liveness_file: Path | None = Field(
        None,
        alias="PAYMENT_WORKER_LIVENESS_FILE",
        description="A file that the worker touches every 5 seconds while its event loop turns, for a probe. "
        "None: no file.",
    )
    metrics_port: int | None = Field(
        None,
        alias="PAYMENT_WORKER_METRICS_PORT",
        ge=1,
        le=65_535,
        description="Where a worker or beat answers `GET /metrics`, each on a port of its own: a worker tells what it "
        "counts, beat what rows and queues tell. None: nowhere. The webhook receiver answers on its own port.",
    )
    metrics_address: str = Field(
        "127.0.0.1",
        alias="PAYMENT_WORKER_METRICS_ADDRESS",
        min_length=1,
        description="The interface for that; `0.0.0.0` for all. No password is asked for, and nothing secret told.",
    )
    tracing: bool = Field(
        False,  # noqa: FBT003 - the default
        alias="PAYMENT_WORKER_TRACING",
        description="`true`: workers send traces to where `OTEL_EXPORTER_OTLP_ENDPOINT` says. Needs the extra `otel`.",
    )
    console_auth: ConsoleUsers = Field(
        (),
        alias="PAYMENT_WORKER_CONSOLE_AUTH",
        description="Who may read the console: `user:password`, several comma-separated. It does not start without "
        "this or PAYMENT_WORKER_CONSOLE_USER_HEADER.",
    )
    console_operators: Names = Field(
        (),
        alias="PAYMENT_WORKER_CONSOLE_OPERATORS",
        description="The users of the console, comma-separated, who may also act: close findings, replay and discard "
        "events, send requests again, pause and resume. Where it is not set: nobody.",
    )
    console_database_url: DatabaseURL | None = Field(
        None,
        alias="PAYMENT_WORKER_CONSOLE_DATABASE_URL",
        description="Where the console's pages read, a replica or a read-only role for one. What operators do goes to "
        "DATABASE_URL, and all of it where this is not set.",
    )
    console_user_header: str | None = Field(
        None,
        alias="PAYMENT_WORKER_CONSOLE_USER_HEADER",
        pattern=r"^[A-Za-z][A-Za-z0-9-]*$",
        description="The header in which an authenticating proxy names the user, `X-Forwarded-User` for one. The "
        "proxy must remove it from what browsers send.",
    )
    console_proxies: Networks = Field(
        ("127.0.0.1", "::1"),
        alias="PAYMENT_WORKER_CONSOLE_PROXIES",
        description="Addresses and networks, comma-separated, from which that header is believed.",
    )
    console_flower_url: str | None = Field(
        None,
        alias="PAYMENT_WORKER_CONSOLE_FLOWER_URL",
        pattern=r"^https?://[^\s]+$",
        description="Where a browser reaches Flower: the console then links a payment to its tasks.",
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto",
        alias="PAYMENT_WORKER_LOG_FORMAT",
        description="`json`, `console`, or `auto`: console on a terminal.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", alias="PAYMENT_WORKER_LOG_LEVEL", description="The least severe level that is logged."
    )

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        needed_by: Iterable[Role] = ("broker",),
        without: Iterable[Role] = (),
    ) -> "Settings":
        """Read, check and freeze the settings.

        Args:
            environ: names and values; the process's own environment when not given.
            needed_by: the roles whose values must be present, not only well-formed.
            without: the roles that this process has no part in: their values are not even read.

        Raises:
            SettingsError: one line for every fault, never with a secret's value.
        """
        environ = os.environ if environ is None else environ
        unneeded = {_NAMES[name] for role in without for name in _NEEDED[role]}
        values, unread = values_in(environ, [name for name in _NAMES.values() if name not in unneeded])
        chosen, invalid = _without_faulty(values)
        wrong = {**unread, **invalid}
        needed = [name for role in needed_by for name in _NEEDED[role]]
        missing = [
            _NAMES[name]
            for name in needed
            if not getattr(chosen, name) and not getattr(chosen, _INSTEAD.get(name, name))
        ]
        faults = [
            *unknown_in(environ, _NAMES.values()),
            *wrong.values(),
            *(f"{name}: must be set" for name in missing if name not in wrong),
            *(relation.fault for relation in _RELATIONS if relation.is_broken(chosen, wrong)),
        ]
        if faults:
            raise SettingsError(faults)
        return chosen

    @model_validator(mode="after")
    def _defaults_fit(self) -> Self:
        """Whoever shortens one time need not know of the others."""
        if "lease" not in self.model_fields_set:
            object.__setattr__(self, "lease", min(self.lease, MAX_REDELIVERIES * self.visibility_timeout))
        if "stripe_timeout" not in self.model_fields_set:
            fitting = min(self.stripe_timeout, self.lease / 2, self.absence_delay / 2)
            object.__setattr__(self, "stripe_timeout", fitting)
        return self


_NAMES: Final[Mapping[str, str]] = {name: str(field.alias) for name, field in Settings.model_fields.items()}
"""A field's name in the environment."""


def is_live(chosen: Settings) -> bool:
    """Whether the Stripe key is a live one."""
    key = chosen.stripe_api_key.get_secret_value() if chosen.stripe_api_key else ""
    return key.startswith(("sk_live_", "rk_live_"))


def _users(chosen: Settings) -> set[str]:
    return {pair.get_secret_value().partition(":")[0] for pair in chosen.console_auth}


def _mode(chosen: Settings) -> str:
    return "live" if is_live(chosen) else "test"


class _Relation(NamedTuple):
    """What must hold between two settings."""

    one: str
    other: str
    holds: Callable[[Settings], bool]
    fault: str

    def is_broken(self, chosen: Settings, wrong: Collection[str]) -> bool:
        """Whether it does not hold, as far as both are known: a value that is wrong by itself is like none."""
        return not {_NAMES[self.one], _NAMES[self.other]} & set(wrong) and not self.holds(chosen)


_RELATIONS: Final = (
    _Relation(
        "stripe_timeout",
        "lease",
        lambda chosen: chosen.stripe_timeout < chosen.lease,
        "PAYMENT_WORKER_STRIPE_TIMEOUT must be less than PAYMENT_WORKER_LEASE: a call may not outlive it",
    ),
    _Relation(
        "stripe_timeout",
        "absence_delay",
        lambda chosen: chosen.stripe_timeout < chosen.absence_delay,
        "PAYMENT_WORKER_STRIPE_TIMEOUT must be less than PAYMENT_WORKER_ABSENCE_DELAY: "
        "a request may still be executing when its absence would be believed",
    ),
    _Relation(
        "stripe_api_base",
        "stripe_api_key",
        lambda chosen: not (is_live(chosen) and is_open_http(chosen.stripe_api_base)),
        "STRIPE_API_BASE must begin with https:// where STRIPE_API_KEY is a live key: anybody on the way could read it",
    ),
    _Relation(
        "stripe_mode",
        "stripe_api_key",
        lambda chosen: (
            not (chosen.stripe_mode and chosen.stripe_api_key) or chosen.stripe_mode == _mode(chosen)
        ),
        "PAYMENT_WORKER_STRIPE_MODE must say what STRIPE_API_KEY is: one is of test mode, the other is live",
    ),
    _Relation(
        "console_operators",
        "console_auth",
        lambda chosen: bool(chosen.console_user_header) or set(chosen.console_operators) <= _users(chosen),
        "PAYMENT_WORKER_CONSOLE_OPERATORS names a user who is not in PAYMENT_WORKER_CONSOLE_AUTH",
    ),
    # Between this and the lease messages are only run twice, which does no harm; `doctor` notes it.
    _Relation(
        "visibility_timeout",
        "lease",
        lambda chosen: chosen.lease <= MAX_REDELIVERIES * chosen.visibility_timeout,
        "PAYMENT_WORKER_VISIBILITY_TIMEOUT must be at least a tenth of PAYMENT_WORKER_LEASE, and should be more than "
        "all of it: what waits for a task that takes its whole lease would be set aside without having been run",
    ),
)


def _without_faulty(values: Mapping[str, Any]) -> tuple[Settings, dict[str, str]]:
    """The settings without the values that are wrong, and what is wrong with these."""
    try:
        return Settings.model_validate(values), {}
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False)
    wrong = {str(detail["loc"][0]): told(detail) for detail in details}
    return Settings.model_validate({name: values[name] for name in values.keys() - wrong}), wrong
