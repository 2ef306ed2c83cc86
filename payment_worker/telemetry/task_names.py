"""The names of our tasks, without `payment_worker.` before them, by the queue that each is sent to."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TASKS_BY_QUEUE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "charges": (
            "charge",
            "adopt",
            "continue_adoption",
            "capture",
            "cancel",
            "retry_charge",
            "retry_declined",
            "expire_action",
            "execute_attempt",
        ),
        "refunds": ("refund", "continue_refund", "refund_suspected"),
        "events": ("receive_stripe_event", "fetch_stripe_event", "process_events", "process_event"),
        "maintenance": (
            "poll_stripe_events",
            "resume_stalled",
            "reconcile",
            "import_balance",
            "publish_events",
            "prune",
        ),
    }
)
