"""When Celery calls us: parse, run the flow, obey its answer."""

from payment_worker.tasks import (
    changes,
    charges,
    events,
    maintenance,
    observing,
    pruning,
    reconciliation,
    refunds,
    startup,
)

__all__ = [
    "changes",
    "charges",
    "events",
    "maintenance",
    "observing",
    "pruning",
    "reconciliation",
    "refunds",
    "startup",
]
