"""Declares every counter and histogram; gauges are in `payment_worker.monitoring.gauges`.

Counts begin at 0 with each worker and are no account of money: the tables are.
"""

from typing import Final

from payment_worker.domain.attempt import UNFINISHED, Action, AttemptStatus
from payment_worker.domain.outcome import WRONG_KEY, Delay, UnknownReason
from payment_worker.domain.payment import PaymentStatus
from payment_worker.domain.refund import RefundStatus
from payment_worker.telemetry.recorder import Metric

TASKS: Final = (
    *(
        "charge",
        "capture",
        "cancel",
        "retry_charge",
        "retry_declined",
        "execute_attempt",
        "refund",
        "continue_refund",
    ),
    *("receive_stripe_event", "process_event"),
    *("poll_stripe_events", "resume_stalled", "reconcile", "publish_events", "prune"),
)
"""Without `payment_worker.` before them. A name from outside that is not among them is counted as `other`."""

QUEUES: Final = ("charges", "refunds", "events", "maintenance")

OTHER: Final = "other"

CALL_SECONDS: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 40.0)
"""A call to Stripe usually takes a third of a second to two, and never more than its timeout twice."""


def label(words: str) -> str:
    """A label's value made of words that people read: `no_answer`."""
    return words.lower().replace(" ", "_")


def task_label(name: str) -> str:
    """The label of a task; one for all names that are not ours, for a stranger chooses those."""
    short = name.removeprefix("payment_worker.")
    return short if short in TASKS else OTHER


ATTEMPTS: Final = Metric(
    name="payment_worker_attempts",
    means="Attempts that are over, by what they came to.",
    labels={
        "action": list(Action),
        "outcome": [label(status) for status in AttemptStatus if status not in UNFINISHED],
    },
)
RESCHEDULED: Final = Metric(
    name="payment_worker_attempts_rescheduled",
    means="Rounds of an attempt that ended without an outcome, by why. The next round is due by itself.",
    labels={"action": list(Action), "reason": [label(each) for each in (*UnknownReason, *Delay)]},
)
PAYMENTS: Final = Metric(
    name="payment_worker_payments",
    means="Payments that came to a status.",
    labels={"status": [label(status) for status in PaymentStatus]},
)
REFUNDS: Final = Metric(
    name="payment_worker_refunds",
    means="Refunds that came to a status.",
    labels={"status": [label(status) for status in RefundStatus]},
)
CAPTURED: Final = Metric(
    name="payment_worker_captured_minor_units",
    means="Money captured, in minor units of its currency.",
    labels={"currency": ()},
)
REFUNDED: Final = Metric(
    name="payment_worker_refunded_minor_units",
    means="Money refunded, in minor units of its currency.",
    labels={"currency": ()},
)
RETURNED: Final = Metric(
    name="payment_worker_refunds_returned_minor_units",
    means="Money whose refund failed after it had succeeded, in minor units of its currency.",
    labels={"currency": ()},
)
STRIPE_SECONDS: Final = Metric(
    name="payment_worker_stripe_request_seconds",
    means="How long one request to Stripe took, by endpoint and by what it came to.",
    labels={"endpoint": (), "answer": ()},
    buckets_seconds=CALL_SECONDS,
)
THROTTLED: Final = Metric(
    name="payment_worker_stripe_requests_throttled",
    means="Requests that were not begun, because Stripe is down, our own rate is used up, or the key is not ours.",
    labels={"reason": [label(each) for each in (Delay.STRIPE_DOWN, Delay.THROTTLED, *sorted(WRONG_KEY))]},
)
CLOCKS_APART: Final = Metric(
    name="payment_worker_clocks_apart",
    means="Look-ups that found nothing and were not believed, because a clock is too far from PostgreSQL's.",
    labels={"clock": ("stripe", "machine", "unknown")},
)
REPEATED_REQUESTS: Final = Metric(
    name="payment_worker_stripe_requests_repeated",
    means="Requests that were sent again within one run, under the same key, by why.",
    labels={
        "reason": [label(each) for each in (UnknownReason.NO_ANSWER, Delay.RATE_LIMITED, Delay.KEY_IN_USE)]
    },
)
TASKS_ENDED: Final = Metric(
    name="payment_worker_tasks",
    means="Runs of tasks: rejected is the caller's fault, broke is ours, and a retried one comes back.",
    labels={"task": TASKS, "end": ("succeeded", "rejected", "broke", "retried", "other")},
)
TASK_SECONDS: Final = Metric(
    name="payment_worker_task_seconds",
    means="How long one run of a task took.",
    labels={"task": ()},
    buckets_seconds=(0.005, 0.01, 0.025, *CALL_SECONDS, 60.0, 300.0),
)
QUEUE_TASKS: Final = Metric(
    name="payment_worker_queue_tasks",
    means="Runs of tasks that ended, however they did, by the queue that brought them.",
    labels={"queue": (*QUEUES, OTHER)},
)
SWEPT: Final = Metric(
    name="payment_worker_resumed",
    means="Rows that the sweep found due or orphaned, and handed out.",
    labels={"kind": ("attempts", "events", "waiting_refunds", "retries")},
)
EVENTS: Final = Metric(
    name="payment_worker_events",
    means="Tries to process an event of Stripe's; received means that there will be another.",
    labels={"outcome": ("processed", "ignored", "parked", "received")},
)
PUBLISHED: Final = Metric(
    name="payment_worker_messages_published",
    means="Messages told on the stream.",
)
REJECTED: Final = Metric(
    name="payment_worker_rejected_requests",
    means="Requests that were rejected, and kept.",
    labels={"task": (*TASKS, OTHER)},
)

METRICS: Final = (
    *(
        ATTEMPTS,
        RESCHEDULED,
        PAYMENTS,
        REFUNDS,
        CAPTURED,
        REFUNDED,
        RETURNED,
        STRIPE_SECONDS,
        THROTTLED,
        REPEATED_REQUESTS,
    ),
    *(CLOCKS_APART, TASKS_ENDED, TASK_SECONDS, QUEUE_TASKS, SWEPT, EVENTS, PUBLISHED, REJECTED),
)
