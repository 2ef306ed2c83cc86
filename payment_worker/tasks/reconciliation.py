"""Tasks that poll Stripe's events and run reconciliations."""

from datetime import timedelta
from typing import Final

from celery import Task

from payment_worker import bootstrap
from payment_worker.celery import app
from payment_worker.contracts.requests import MaintenanceRequest, ReconcileRequest
from payment_worker.flows.events.poll import PollOptions, poll
from payment_worker.flows.reconciliation.run import reconcile as reconcile_flow
from payment_worker.tasks.base import (
    NO_LIMIT,
    before_soft_limit,
    context,
    longest_countdown,
    notify_processing,
    parsed,
    unless_unavailable,
    within,
)
from payment_worker.telemetry import logger

log = logger(__name__)

MOST_WAITS: Final = 10
"""Times that a reconciliation waits for Stripe; after that the next one that beat enqueues continues it."""


@app.task(bind=True, name="payment_worker.poll_stripe_events", typing=False)
def poll_stripe_events(self: Task, *args: object, **kwargs: object) -> dict[str, int]:
    """Read what is new in Stripe's list of events, and have it processed."""
    parsed(self, MaintenanceRequest, args, kwargs)
    settings = bootstrap.settings()
    has_time = within(before_soft_limit(settings))
    options = PollOptions(
        overlap=timedelta(seconds=settings.poll_overlap), has_time=has_time, notify=notify_processing
    )
    polled = unless_unavailable(self, lambda: poll(context(self), options))
    if polled is None:
        log.info("poll skipped: another process polls")
        return {"requests": 0, "new": 0}
    if polled.new or not polled.is_finished:
        log.info("polled", requests=polled.requests, new=polled.new, is_finished=polled.is_finished)
    return {"requests": polled.requests, "new": polled.new}


@app.task(bind=True, name="payment_worker.reconcile", typing=False)
def reconcile(self: Task, *args: object, **kwargs: object) -> dict[str, object]:
    """Reconcile a period, or everything that is new. Long runs are continued in further tasks."""
    request = parsed(self, ReconcileRequest, args, kwargs)
    # Half of the time until the message would be given to another worker; the rest is for the last page.
    has_time = within(bootstrap.settings().visibility_timeout / 2)
    reconciled = unless_unavailable(
        self,
        lambda: reconcile_flow(
            context(self), since=request.since, until=request.until, on_page=lambda _: has_time()
        ),
    )
    if reconciled is None:
        log.info("reconcile skipped: another process reconciles")
        return {"run_id": None, "finished": False}
    if reconciled.stripe_is_unreachable and self.request.retries < MOST_WAITS:
        raise self.retry(countdown=longest_countdown(bootstrap.settings()), max_retries=NO_LIMIT)
    if not reconciled.run.is_finished and not reconciled.stripe_is_unreachable:
        app.send_task(self.name, kwargs=kwargs)
    return {"run_id": reconciled.run.run_id, "finished": reconciled.run.is_finished}
