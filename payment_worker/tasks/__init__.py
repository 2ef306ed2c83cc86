"""The Celery tasks: parse the arguments, run the flow, act on its result.

What other apps send must be known to the last argument. What workers send each other may have more in it (`_newer`):
while an upgrade is rolled out, some are of a newer version.
"""

from payment_worker.tasks import (
    events,
    ledger,
    maintenance,
    payments,
    reconciliation,
    refunds,
    signals,
    startup,
)

__all__ = [
    "events",
    "ledger",
    "maintenance",
    "payments",
    "reconciliation",
    "refunds",
    "signals",
    "startup",
]
