"""When Celery calls us: parse, run the flow, obey its answer."""

from payment_worker.tasks import charges, events, maintenance, reconciliation, refunds, startup

__all__ = ["charges", "events", "maintenance", "reconciliation", "refunds", "startup"]
