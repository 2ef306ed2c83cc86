"""Declares every counter and histogram; gauges are in `payment_worker.monitoring.gauges`.

Counts begin at 0 with each worker and are no account of money: the tables are.
"""

from typing import Final

from payment_worker.domain.accounts import PLATFORM, account_of
from payment_worker.domain.attempts.attempt import UNFINISHED, Action, AttemptStatus
from payment_worker.domain.attempts.outcome import WRONG_KEY, Delay, UnknownReason
from payment_worker.domain.payment import PaymentStatus
from payment_worker.domain.refund import RefundStatus
from payment_worker.telemetry.recorder import Metric
from payment_worker.telemetry.task_names import TASKS_BY_QUEUE

TASKS: Final = tuple(name for names in TASKS_BY_QUEUE.values() for name in names)
"""A name from outside that is not among them is counted as `other`."""

QUEUES: Final = tuple(TASKS_BY_QUEUE)

OTHER: Final = "other"

CALL_SECONDS: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 40.0)
"""A call to Stripe usually takes 0.3 to 2 seconds, and never more than twice its timeout."""


def task_label(name: str) -> str:
    """The label of a task; one label for all names that are not ours, because callers choose them."""
    label = name.removeprefix("payment_worker.")
    return label if label in TASKS else OTHER


ACCOUNTS: Final = (PLATFORM,)
"""Those that are known without settings."""


def account_label(stripe_account: str) -> str:
    """The label of an account: its key's name in STRIPE_API_KEYS, also for all accounts that are connected to it."""
    return account_of(stripe_account).key or PLATFORM


ATTEMPTS: Final = Metric(
    name="payment_worker_attempts",
    means="Finished attempts, by outcome.",
    labels={
        "action": list(Action),
        "outcome": [status.lower() for status in AttemptStatus if status not in UNFINISHED],
        "account": ACCOUNTS,
    },
)
RESCHEDULED: Final = Metric(
    name="payment_worker_attempts_rescheduled",
    means="Runs of an attempt that ended without an outcome, by reason. The next run is due by itself.",
    labels={"action": list(Action), "reason": [*UnknownReason, *Delay]},
)
PAYMENTS: Final = Metric(
    name="payment_worker_payments",
    means="Payments that reached a status.",
    labels={"status": [status.lower() for status in PaymentStatus], "account": ACCOUNTS},
)
REFUNDS: Final = Metric(
    name="payment_worker_refunds",
    means="Refunds that reached a status.",
    labels={"status": [status.lower() for status in RefundStatus]},
)
CAPTURED: Final = Metric(
    name="payment_worker_captured_minor_units",
    means="Amount captured, in minor units of its currency.",
    labels={"currency": (), "account": ()},
)
REFUNDED: Final = Metric(
    name="payment_worker_refunded_minor_units",
    means="Amount refunded, in minor units of its currency.",
    labels={"currency": (), "account": ()},
)
RETURNED: Final = Metric(
    name="payment_worker_refunds_returned_minor_units",
    means="Amount of refunds that failed after they had succeeded, in minor units of its currency.",
    labels={"currency": (), "account": ()},
)
STRIPE_SECONDS: Final = Metric(
    name="payment_worker_stripe_request_seconds",
    means="Duration of a request to Stripe, by endpoint and result.",
    labels={"endpoint": (), "account": (), "answer": ()},
    buckets_seconds=CALL_SECONDS,
)
THROTTLED: Final = Metric(
    name="payment_worker_stripe_requests_throttled",
    means="Requests that were not sent: the circuit breaker is open, our rate limit is reached, or the key is of "
    "another account.",
    labels={"reason": [Delay.STRIPE_DOWN, Delay.THROTTLED, *sorted(WRONG_KEY)], "account": ACCOUNTS},
)
CLOCKS_APART: Final = Metric(
    name="payment_worker_clocks_apart",
    means="Look-ups that found no object and did not count as absent, because a clock differs too much from "
    "PostgreSQL's.",
    labels={"clock": ("stripe", "machine", "unknown")},
)
REPEATED_REQUESTS: Final = Metric(
    name="payment_worker_stripe_requests_repeated",
    means="Requests that were retried within one task run, under the same key, by reason.",
    labels={"reason": [UnknownReason.NO_ANSWER, Delay.RATE_LIMITED, Delay.KEY_IN_USE]},
)
TASKS_ENDED: Final = Metric(
    name="payment_worker_tasks",
    means="Task runs, by how they ended: rejected is the caller's fault, broke is our own exception, retried ones "
    "run again.",
    labels={"task": TASKS, "end": ("succeeded", "rejected", "broke", "retried", "other")},
)
TASK_SECONDS: Final = Metric(
    name="payment_worker_task_seconds",
    means="Duration of a task run.",
    labels={"task": ()},
    buckets_seconds=(0.005, 0.01, 0.025, *CALL_SECONDS, 60.0, 300.0),
)
QUEUE_TASKS: Final = Metric(
    name="payment_worker_queue_tasks",
    means="Finished task runs, by the queue that delivered them.",
    labels={"queue": (*QUEUES, OTHER)},
)
SWEPT: Final = Metric(
    name="payment_worker_resumed",
    means="Due or abandoned rows that the sweep enqueued.",
    labels={
        "kind": (
            "attempts",
            "events",
            "waiting_refunds",
            "retries",
            "expired_actions",
            "adoptions",
            "fraud_warnings",
        )
    },
)
EVENTS: Final = Metric(
    name="payment_worker_events",
    means="Runs of event processing, by result; received: it failed and will be retried.",
    labels={"outcome": ("processed", "ignored", "parked", "received")},
)
PUBLISHED: Final = Metric(
    name="payment_worker_messages_published",
    means="Messages published to the stream.",
)
REJECTED: Final = Metric(
    name="payment_worker_rejected_requests",
    means="Requests that were rejected and stored.",
    labels={"task": (*TASKS, OTHER)},
)

METRICS: Final = tuple(each for each in list(globals().values()) if isinstance(each, Metric))
"""All of the above."""
