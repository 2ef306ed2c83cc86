"""Every setting with its type, default and reason."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from payment_worker.settings.values import (
    APIKey,
    BackendURL,
    ConsoleUsers,
    DatabaseURL,
    HttpURL,
    MetadataSecrets,
    NamedKeys,
    Names,
    Networks,
    RedisURL,
    Seconds,
    SigningSecrets,
)


class Fields(BaseModel):
    """All settings. Names in the environment: the field's alias, and the same with `_FILE` for a file that holds it."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    database_url: DatabaseURL | None = Field(
        None,
        alias="DATABASE_URL",
        description="The Payment Database, `postgresql://user:password@host/name`. Every form that libpq accepts: "
        "several hosts (`host1,host2:5433`, of which the writable one is used), `?host=/run/postgresql`, `sslmode`, "
        "`options`.",
    )
    redis_url: RedisURL | None = Field(
        None,
        alias="REDIS_URL",
        description="The Redis of broker and message stream: `redis://`, `rediss://`, `sentinel://` or "
        "`unix:///path?db=0`. `valkey://` and `redis+socket://` work too.",
    )
    stripe_api_key: APIKey | None = Field(
        None,
        alias="STRIPE_API_KEY",
        description="Stripe's secret key, `sk_test_…` or `sk_live_…`, or a restricted key.",
    )
    stripe_api_keys: NamedKeys = Field(
        (),
        alias="STRIPE_API_KEYS",
        description="Keys of further Stripe accounts, each after the name to use in the argument `account`: "
        "`eu=sk_live_…`, several comma-separated, or a JSON object. All have the same mode as STRIPE_API_KEY, the "
        "key of the default account.",
    )
    stripe_mode: Literal["test", "live"] | None = Field(
        None,
        alias="PAYMENT_WORKER_STRIPE_MODE",
        description="`test` or `live`: the mode of processes without a key, such as the webhook receiver. Default: "
        "the mode of STRIPE_API_KEY.",
    )
    stripe_webhook_secret: SigningSecrets = Field(
        (),
        alias="STRIPE_WEBHOOK_SECRET",
        description="The signing secrets of the webhook endpoint, comma-separated: while one is rolled, two are "
        "valid. Write another account's secret after the account's name in STRIPE_API_KEYS: `eu=whsec_…`.",
    )
    metadata_secrets: MetadataSecrets = Field(
        (),
        alias="PAYMENT_WORKER_METADATA_SECRETS",
        description="Secrets of the MAC in the metadata of our Stripe objects, comma-separated: the first signs, all "
        "verify. Default: a secret that the first migration generated, which is lost with the database.",
    )
    stripe_api_base: HttpURL = Field(
        "https://api.stripe.com",
        alias="STRIPE_API_BASE",
        description="The base URL of Stripe's API; another one for the simulator or a proxy.",
    )
    stripe_timeout: Seconds = Field(
        20,
        alias="PAYMENT_WORKER_STRIPE_TIMEOUT",
        description="Seconds that a call to Stripe may take, from connecting to the last byte of the response; after "
        "that its outcome is unknown. Default: less than 20 if the lease or the absence delay is short.",
    )
    stripe_rate: float | None = Field(
        None,
        alias="PAYMENT_WORKER_STRIPE_RATE",
        gt=0,
        le=100_000,
        description="Calls per second to Stripe by all workers together, for each Stripe account. Default: Stripe's "
        "limits, 100 with a live key and 25 with a test key; no limit with another STRIPE_API_BASE.",
    )
    stripe_endpoint_rate: float | None = Field(
        None,
        alias="PAYMENT_WORKER_STRIPE_ENDPOINT_RATE",
        gt=0,
        le=100_000,
        description="Calls per second to one endpoint: charges, refunds, and all others together. Default: only the "
        "account's rate counts. Stripe allows 25 on most endpoints and more on some; set this if Stripe responds 429 "
        "with `Stripe-Rate-Limited-Reason: endpoint-rate`.",
    )
    breaker_failures: int = Field(
        10,
        alias="PAYMENT_WORKER_BREAKER_FAILURES",
        ge=1,
        le=10_000,
        description="Consecutive calls to Stripe without a response, or with a server error, after which the circuit "
        "breaker opens.",
    )
    breaker_cool_down: float = Field(
        10,
        alias="PAYMENT_WORKER_BREAKER_COOL_DOWN",
        gt=0,
        le=300,
        description="Seconds that the circuit breaker stays open before one call probes Stripe. Doubles with each "
        "failed probe, up to 300.",
    )
    lease: Seconds = Field(
        60,
        alias="PAYMENT_WORKER_LEASE",
        description="Seconds that a worker holds the lease of an attempt or an event; after that another worker may "
        "take it over. Default: less than 60 if the visibility timeout is shorter than 6.",
    )
    # Not `Seconds`: of two limits pydantic keeps the one that comes with the type.
    key_safe_age: float = Field(
        82_800,
        alias="PAYMENT_WORKER_KEY_SAFE_AGE",
        gt=0,
        le=86_400,
        description="Seconds after which an idempotency key is no longer sent: the outcome is then only looked up. "
        "Stripe forgets keys after 24 h.",
    )
    absence_delay: Seconds = Field(
        120,
        alias="PAYMENT_WORKER_ABSENCE_DELAY",
        description="Seconds after the last request before an object that Stripe does not find counts as absent.",
    )
    resume_every: Seconds = Field(
        10,
        alias="PAYMENT_WORKER_RESUME_EVERY",
        description="Seconds between sweeps for due and abandoned work.",
    )
    publish_every: Seconds = Field(
        5,
        alias="PAYMENT_WORKER_PUBLISH_EVERY",
        description="Seconds between runs of the outbox relay; it also runs after each commit.",
    )
    poll_every: Seconds = Field(
        60, alias="PAYMENT_WORKER_POLL_EVERY", description="Seconds between polls of Stripe's list of events."
    )
    poll_overlap: Seconds = Field(
        300,
        alias="PAYMENT_WORKER_POLL_OVERLAP",
        description="Seconds by which the windows of two polls overlap: Stripe's list is eventually consistent.",
    )
    reconcile_every: Seconds = Field(
        3600, alias="PAYMENT_WORKER_RECONCILE_EVERY", description="Seconds between scheduled reconciliations."
    )
    import_every: Seconds = Field(
        300,
        alias="PAYMENT_WORKER_IMPORT_EVERY",
        description="Seconds between imports of Stripe's balance transactions into the ledger.",
    )
    clear_within: Seconds = Field(
        345_600,
        alias="PAYMENT_WORKER_CLEAR_WITHIN",
        description="Seconds for which our records and Stripe's balance may differ about a payment, a refund or a "
        "dispute before that is a finding. The default of four days is longer than a bank debit takes.",
    )
    visibility_timeout: Seconds = Field(
        300,
        alias="PAYMENT_WORKER_VISIBILITY_TIMEOUT",
        description="Seconds after which Redis redelivers an unacknowledged message to another worker. Should be more "
        "than the lease, and must be at least a tenth of it.",
    )
    max_attempts: int = Field(
        3,
        alias="PAYMENT_WORKER_MAX_ATTEMPTS",
        ge=1,
        le=20,
        description="Attempts that the worker makes by itself if it turns out that Stripe never executed the one "
        "before.",
    )
    automatic_retries: int = Field(
        0,
        alias="PAYMENT_WORKER_AUTOMATIC_RETRIES",
        ge=0,
        le=20,
        description="How often the worker retries a declined payment by itself, if the decline allows it. 0: never; "
        "`payment_worker.retry_charge` still works.",
    )
    automatic_retry_after: Seconds = Field(
        86_400,
        alias="PAYMENT_WORKER_AUTOMATIC_RETRY_AFTER",
        description="Seconds from a decline to the first automatic retry; doubled for each further one.",
    )
    retries_most: int = Field(
        20,
        alias="PAYMENT_WORKER_RETRIES_MOST",
        ge=0,
        le=1000,
        description="The most retries of one payment, requested and automatic together.",
    )
    retries_in_period: int = Field(
        14,
        alias="PAYMENT_WORKER_RETRIES_IN_PERIOD",
        ge=0,
        le=1000,
        description="The most retries within PAYMENT_WORKER_RETRIES_PERIOD. With the first charge that is Visa's "
        "limit of 15 in 30 days.",
    )
    retries_period: Seconds = Field(
        2_592_000, alias="PAYMENT_WORKER_RETRIES_PERIOD", description="Length of that period in seconds."
    )
    action_expiry: Seconds = Field(
        86_400,
        alias="PAYMENT_WORKER_ACTION_EXPIRY",
        description="Seconds that a payment in REQUIRES_ACTION waits for its customer before it is canceled, with the "
        "reason `abandoned`. `doctor` and an alert name what waits for more than 2 days.",
    )
    fraud_refund_within: float = Field(
        0,
        alias="PAYMENT_WORKER_FRAUD_REFUND_WITHIN",
        ge=0,
        le=31_536_000,
        description="Seconds after an early fraud warning within which the worker itself refunds its payment: the "
        "remaining amount, with the reason `fraudulent`, unless it is disputed. 0: never.",
    )
    result_backend: BackendURL | None = Field(
        None,
        alias="PAYMENT_WORKER_RESULT_BACKEND",
        description="Celery's result backend. None: apps read the tables or the stream.",
    )
    stream: str = Field(
        "payment_worker.events",
        alias="PAYMENT_WORKER_STREAM",
        min_length=1,
        description="The Redis stream to which messages are published.",
    )
    stream_max_length: int = Field(
        1_000_000,
        alias="PAYMENT_WORKER_STREAM_MAX_LENGTH",
        ge=100,
        description="About how many messages the stream keeps. Older ones can be republished from the database.",
    )
    republish_window: Seconds = Field(
        86_400,
        alias="PAYMENT_WORKER_REPUBLISH_WINDOW",
        description="How many seconds of messages are republished after Redis has lost the stream or a part of it.",
    )
    retention_money: Seconds = Field(
        220_924_800,
        alias="PAYMENT_WORKER_RETENTION_MONEY",
        description="Seconds after a payment's last change until its attempts and history are archived. Default: "
        "seven years, as tax laws require.",
    )
    retention_events: Seconds = Field(
        7_776_000,
        alias="PAYMENT_WORKER_RETENTION_EVENTS",
        description="Seconds that processed Stripe events are kept. The default of 90 days is longer than Stripe "
        "lists them.",
    )
    retention_outbox: Seconds = Field(
        2_592_000,
        alias="PAYMENT_WORKER_RETENTION_OUTBOX",
        description="Seconds that published messages are kept; until then they can be republished.",
    )
    retention_reports: Seconds = Field(
        31_536_000,
        alias="PAYMENT_WORKER_RETENTION_REPORTS",
        description="Seconds that rejected requests, reconciliation runs and their findings are kept. Open findings "
        "are kept longer.",
    )
    liveness_file: Path | None = Field(
        None,
        alias="PAYMENT_WORKER_LIVENESS_FILE",
        description="A file that the worker touches every 5 seconds while its event loop runs, for a liveness probe. "
        "None: no file.",
    )
    metrics_port: int | None = Field(
        None,
        alias="PAYMENT_WORKER_METRICS_PORT",
        ge=1,
        le=65_535,
        description="The port on which a worker or beat serves `GET /metrics`; each process on one machine needs its "
        "own. Workers serve counters, beat serves the gauges of rows and queues. None: no metrics. The webhook "
        "receiver serves them on its own port.",
    )
    metrics_address: str = Field(
        "127.0.0.1",
        alias="PAYMENT_WORKER_METRICS_ADDRESS",
        min_length=1,
        description="The interface of the metrics port; `0.0.0.0` for all. There is no authentication, and metrics "
        "contain no secrets.",
    )
    tracing: bool = Field(
        False,  # noqa: FBT003 - the default
        alias="PAYMENT_WORKER_TRACING",
        description="`true`: workers export traces to `OTEL_EXPORTER_OTLP_ENDPOINT`. Needs the extra `otel`.",
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
        description="Console users, comma-separated, who may also act: close findings, replay and discard "
        "events, resend requests, pause and resume. Default: nobody.",
    )
    console_database_url: DatabaseURL | None = Field(
        None,
        alias="PAYMENT_WORKER_CONSOLE_DATABASE_URL",
        description="The database that the console's pages read, for example a replica or with a read-only role. "
        "Operators' actions always use DATABASE_URL. Default: DATABASE_URL.",
    )
    console_user_header: str | None = Field(
        None,
        alias="PAYMENT_WORKER_CONSOLE_USER_HEADER",
        pattern=r"^[A-Za-z][A-Za-z0-9-]*$",
        description="The header in which an authenticating proxy names the user, for example `X-Forwarded-User`. The "
        "proxy must remove it from browsers' requests.",
    )
    console_proxies: Networks = Field(
        ("127.0.0.1", "::1"),
        alias="PAYMENT_WORKER_CONSOLE_PROXIES",
        description="Addresses and networks of proxies, comma-separated, whose user header the console trusts, and "
        "whose `X-Forwarded-For` gives the client address for counting wrong passwords.",
    )
    console_flower_url: str | None = Field(
        None,
        alias="PAYMENT_WORKER_CONSOLE_FLOWER_URL",
        pattern=r"^https?://[^\s]+$",
        description="Flower's URL for browsers: the console then links a payment to its tasks.",
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto",
        alias="PAYMENT_WORKER_LOG_FORMAT",
        description="`json`, `console`, or `auto`: console on a terminal.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", alias="PAYMENT_WORKER_LOG_LEVEL", description="The lowest level that is logged."
    )
