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
    means="1 if PostgreSQL answered this scrape, else 0, and what rows tell is not told.",
)
REDIS_UP: Final = Gauge(
    name="payment_worker_redis_up",
    means="1 if Redis answered this scrape, else 0, and what queues tell is not told.",
)
ATTEMPTS: Final = Gauge(
    name="payment_worker_unfinished_attempts",
    means="Attempts that are not over: open ones are being worked on, or wait for their first answer.",
    labels=("action", "status"),
)
UNKNOWN: Final = Gauge(
    name="payment_worker_unknown_attempts",
    means="Attempts whose outcome is unknown, by why.",
    labels=("unknown_reason",),
)
REFUSED: Final = Gauge(
    name="payment_worker_refused_attempts",
    means="Attempts that wait because Stripe refuses our key, or what the key may do.",
    labels=("action",),
)
UNKNOWN_SECONDS: Final = Gauge(
    name="payment_worker_unknown_attempts_oldest_seconds",
    means="Since the oldest attempt whose outcome is unknown was begun; 0 without any.",
    labels=("action",),
)
DUE: Final = Gauge(
    name="payment_worker_due",
    means="Rows whose work is due and has not been handed out.",
    labels=("kind",),
)
DUE_SECONDS: Final = Gauge(
    name="payment_worker_due_oldest_seconds",
    means="Since the oldest row's work became due; 0 without any. A sweep brings it back to 0.",
    labels=("kind",),
)
BREACHES: Final = Gauge(
    name="payment_worker_deadline_breaches",
    means="Payments and refunds that are in a state for longer than its deadline.",
    labels=("table", "status"),
)
OUTBOX: Final = Gauge(name="payment_worker_outbox_messages", means="Messages that are not told yet.")
OUTBOX_SECONDS: Final = Gauge(
    name="payment_worker_outbox_oldest_seconds",
    means="Since the oldest message that is not told yet was written; 0 without any.",
)
INBOX: Final = Gauge(
    name="payment_worker_inbox_events",
    means="Stripe's events that are not processed yet (received), or were tried too often (parked).",
    labels=("status",),
)
INBOX_SECONDS: Final = Gauge(
    name="payment_worker_inbox_oldest_seconds",
    means="Since the oldest of these events was received; 0 without any.",
    labels=("status",),
)
FINDINGS: Final = Gauge(
    name="payment_worker_findings_open",
    means="Differences between our record and Stripe's that are left for a person.",
    labels=("kind",),
)
FINDINGS_SECONDS: Final = Gauge(
    name="payment_worker_findings_oldest_seconds",
    means="Since the oldest of these was found; 0 without any.",
)
REJECTED: Final = Gauge(
    name="payment_worker_rejected_requests_last_hour",
    means="Requests that were rejected within the last hour, and kept.",
)
PAUSED_SECONDS: Final = Gauge(
    name="payment_worker_paused_seconds",
    means="How long this kind of work has been paused; 0 where it is not.",
    labels=("kind",),
)
POLLED_SECONDS: Final = Gauge(
    name="payment_worker_polled_seconds",
    means="Since Stripe's list of events was last read, of the account that waits longest; not told before the first.",
)
RECONCILED_SECONDS: Final = Gauge(
    name="payment_worker_reconciled_seconds",
    means="Since a scheduled reconciliation was last finished; not told before the first.",
)
QUEUE: Final = Gauge(
    name="payment_worker_queue_messages",
    means="Messages that wait in a queue for a worker.",
    labels=("queue",),
)
MISDIRECTED: Final = Gauge(
    name="payment_worker_misdirected_messages",
    means="Messages for our tasks in Redis' list `celery`, where Celery puts what names no queue: no worker reads it.",
)
CONSUMERS: Final = Gauge(
    name="payment_worker_queue_consumers",
    means="Workers that take messages from a queue, as each has noted within the last half minute.",
    labels=("queue",),
)
UNACKNOWLEDGED: Final = Gauge(
    name="payment_worker_unacknowledged_messages",
    means="Messages that workers hold and have not finished.",
)
UNACKNOWLEDGED_SECONDS: Final = Gauge(
    name="payment_worker_unacknowledged_oldest_seconds",
    means="Since a worker took the oldest of these; 0 without any. Beyond the visibility timeout another gets it.",
)
STREAM: Final = Gauge(name="payment_worker_stream_messages", means="Messages that the stream keeps.")
BREAKERS: Final = Gauge(
    name="payment_worker_breakers_open",
    means="Stripe accounts for which calls are held because Stripe does not answer.",
)
SWEPT_SECONDS: Final = Gauge(
    name="payment_worker_swept_seconds",
    means="Since a periodic task last succeeded; not told before the first time since Redis was emptied.",
    labels=("task",),
)

GAUGES: Final = (
    *(DATABASE_UP, REDIS_UP, ATTEMPTS, UNKNOWN, UNKNOWN_SECONDS, REFUSED, DUE, DUE_SECONDS, BREACHES),
    *(OUTBOX, OUTBOX_SECONDS, INBOX, INBOX_SECONDS, FINDINGS, FINDINGS_SECONDS, REJECTED),
    *(PAUSED_SECONDS, POLLED_SECONDS, RECONCILED_SECONDS),
    *(QUEUE, MISDIRECTED, CONSUMERS, UNACKNOWLEDGED, UNACKNOWLEDGED_SECONDS, STREAM, BREAKERS, SWEPT_SECONDS),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What it is, its value, and the values of its labels in their order."""

    what: Gauge
    value: float
    labels: tuple[str, ...] = ()


def age(since: datetime | None, now: datetime) -> float:
    """Seconds since then; 0 for None. Clocks that differ a little make no negative age."""
    return max(0.0, (now - since).total_seconds()) if since else 0.0
