"""Declares the gauges of the whole installation, which beat and webhook receiver serve alike.

What a worker counts is in `payment_worker.telemetry.metrics`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gauge:
    """One number, or one for each value of its labels. Those hold kinds and codes, nothing of a customer or a key."""

    name: str
    means: str
    labels: tuple[str, ...] = ()


DATABASE_UP: Final = Gauge(
    name="payment_worker_database_up",
    means="1 if PostgreSQL responded to this scrape; if 0, the gauges that are read from rows are missing.",
)
REDIS_UP: Final = Gauge(
    name="payment_worker_redis_up",
    means="1 if Redis responded to this scrape; if 0, the gauges that are read from queues are missing.",
)
ATTEMPTS: Final = Gauge(
    name="payment_worker_unfinished_attempts",
    means="Unfinished attempts: OPEN ones are executing or wait for their first response.",
    labels=("action", "status"),
)
UNKNOWN: Final = Gauge(
    name="payment_worker_unknown_attempts",
    means="Attempts whose outcome is unknown, by reason.",
    labels=("unknown_reason",),
)
REFUSED: Final = Gauge(
    name="payment_worker_refused_attempts",
    means="Attempts that wait because Stripe rejects our API key or denies it a permission.",
    labels=("action",),
)
UNKNOWN_SECONDS: Final = Gauge(
    name="payment_worker_unknown_attempts_oldest_seconds",
    means="Age of the oldest attempt whose outcome is unknown; 0 if there is none.",
    labels=("action",),
)
DUE: Final = Gauge(
    name="payment_worker_due",
    means="Rows whose work is due and not yet enqueued.",
    labels=("kind",),
)
DUE_SECONDS: Final = Gauge(
    name="payment_worker_due_oldest_seconds",
    means="How long the oldest of these has been due; 0 if there is none. Every sweep resets it to 0.",
    labels=("kind",),
)
BREACHES: Final = Gauge(
    name="payment_worker_deadline_breaches",
    means="Payments and refunds that have been in a status for longer than its deadline.",
    labels=("table", "status"),
)
OUTBOX: Final = Gauge(name="payment_worker_outbox_messages", means="Messages that are not published yet.")
OUTBOX_SECONDS: Final = Gauge(
    name="payment_worker_outbox_oldest_seconds",
    means="Age of the oldest message that is not published yet; 0 if there is none.",
)
INBOX: Final = Gauge(
    name="payment_worker_inbox_events",
    means="Stripe events that are not processed yet (received) or failed too often (parked).",
    labels=("status",),
)
INBOX_SECONDS: Final = Gauge(
    name="payment_worker_inbox_oldest_seconds",
    means="Age of the oldest of these events; 0 if there is none.",
    labels=("status",),
)
FINDINGS: Final = Gauge(
    name="payment_worker_findings_open",
    means="Differences between our record and Stripe's that an operator has to decide.",
    labels=("kind",),
)
FINDINGS_SECONDS: Final = Gauge(
    name="payment_worker_findings_oldest_seconds",
    means="Age of the oldest open finding; 0 if there is none.",
)
REJECTED: Final = Gauge(
    name="payment_worker_rejected_requests_last_hour",
    means="Requests that were rejected within the last hour.",
)
PAUSED_SECONDS: Final = Gauge(
    name="payment_worker_paused_seconds",
    means="How long this kind of request has been paused; 0 if it is not.",
    labels=("kind",),
)
POLLED_SECONDS: Final = Gauge(
    name="payment_worker_polled_seconds",
    means="Time since the last poll of Stripe's events; among connected accounts, that of the account that "
    "has waited longest; missing before the first poll.",
    labels=("account",),
)
RECONCILED_SECONDS: Final = Gauge(
    name="payment_worker_reconciled_seconds",
    means="Time since the last scheduled reconciliation finished; missing before the first.",
)
BALANCE_DIFFERENCE: Final = Gauge(
    name="payment_worker_balance_difference",
    means="Difference between Stripe's balance and the ledger's at the last proof, in minor units.",
    labels=("currency", "account"),
)
BALANCE_AVAILABLE: Final = Gauge(
    name="payment_worker_balance_available",
    means="Balance available at Stripe at the last proof, in minor units.",
    labels=("currency", "account"),
)
UNCLEARED: Final = Gauge(
    name="payment_worker_ledger_uncleared",
    means="Amount of payments, refunds and disputes on which our records and Stripe's balance do not agree yet, in "
    "minor units.",
    labels=("currency", "account"),
)
EXPLAINED: Final = Gauge(
    name="payment_worker_ledger_explained_ratio",
    means="Share of all balance movements that is cleared and has a known type; 1 is all. Movements younger "
    "than `age` (any, 1d, 4d) counts as explained.",
    labels=("currency", "account", "age"),
)
UNEXPLAINED: Final = Gauge(
    name="payment_worker_ledger_unexplained",
    means="Amount of unexplained balance transactions, of an unknown type or without a source, in minor units.",
    labels=("currency", "account"),
)
OLDEST_SECONDS: Final = Gauge(
    name="payment_worker_ledger_oldest_seconds",
    means="Age of the oldest uncleared or unexplained item; 0 if there is none.",
    labels=("currency", "account"),
)
OLDEST_AMOUNT: Final = Gauge(
    name="payment_worker_ledger_oldest_amount",
    means="Amount of that oldest item, in minor units.",
    labels=("currency", "account"),
)
IMPORTED_SECONDS: Final = Gauge(
    name="payment_worker_balance_imported_seconds",
    means="Time since balance transactions were last imported, for the account that has waited longest; missing before "
    "the first import.",
)
REFUNDS_PENDING: Final = Gauge(
    name="payment_worker_refunds_pending",
    means="Amount of refunds that Stripe has accepted but the bank has not received, in minor units.",
    labels=("currency", "account"),
)
QUEUE: Final = Gauge(
    name="payment_worker_queue_messages",
    means="Messages in a queue that wait for a worker.",
    labels=("queue",),
)
MISDIRECTED: Final = Gauge(
    name="payment_worker_misdirected_messages",
    means="Messages for our tasks in the Redis list `celery`, Celery's default queue, which no worker consumes.",
)
CONSUMERS: Final = Gauge(
    name="payment_worker_queue_consumers",
    means="Workers that consume a queue, as each has reported within the last half minute.",
    labels=("queue",),
)
UNACKNOWLEDGED: Final = Gauge(
    name="payment_worker_unacknowledged_messages",
    means="Messages that were delivered to workers and are not acknowledged yet.",
)
UNACKNOWLEDGED_SECONDS: Final = Gauge(
    name="payment_worker_unacknowledged_oldest_seconds",
    means="How long ago the oldest of these was delivered; 0 if there is none. After the visibility timeout it is "
    "redelivered.",
)
STREAM: Final = Gauge(name="payment_worker_stream_messages", means="Messages in the stream.")
BREAKERS: Final = Gauge(
    name="payment_worker_breakers_open",
    means="Stripe accounts whose circuit breaker is open because Stripe does not respond.",
)
SWEPT_SECONDS: Final = Gauge(
    name="payment_worker_swept_seconds",
    means="Time since a periodic task last succeeded; missing until it has succeeded once since Redis was emptied.",
    labels=("task",),
)

GAUGES: Final = tuple(each for each in list(globals().values()) if isinstance(each, Gauge))
"""All of the above."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What it is, its value, and the values of its labels in their order."""

    what: Gauge
    value: float
    labels: tuple[str, ...] = ()


def age(since: datetime | None, now: datetime) -> float:
    """Seconds since then; 0 for None. Clocks that differ a little make no negative age."""
    return max(0.0, (now - since).total_seconds()) if since else 0.0
