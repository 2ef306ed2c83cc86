"""The task that lets go of what has been kept long enough."""

from datetime import timedelta

from celery import Task

from payment_worker import wiring
from payment_worker.celery import app
from payment_worker.contracts.requests import MaintenanceRequest
from payment_worker.flows.prune import Retention, Stint
from payment_worker.flows.prune import prune as prune_flow
from payment_worker.tasks.obeying import parsed, unless_unavailable, within, world
from payment_worker.telemetry import logger

log = logger(__name__)


@app.task(bind=True, name="payment_worker.prune", typing=False)
def prune(self: Task, *args: object, **kwargs: object) -> dict[str, int]:
    """Delete and archive what is past its retention."""
    parsed(self, MaintenanceRequest, args, kwargs)
    chosen = wiring.settings()
    retention = Retention(
        money=timedelta(seconds=chosen.retention_money),
        events=timedelta(seconds=chosen.retention_events),
        outbox=timedelta(seconds=chosen.retention_outbox),
        reports=timedelta(seconds=chosen.retention_reports),
    )
    # The soft limit is later: a batch that is begun by then ends before it.
    stint = Stint(go_on=within(chosen.visibility_timeout / 2))
    pruned = unless_unavailable(self, lambda: prune_flow(world(self), retention, stint))
    if pruned is None:
        log.info("somebody else prunes")
        return {}
    if any(pruned.values()):
        log.info("pruned", **pruned)
    return dict(pruned)
