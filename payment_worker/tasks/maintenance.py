"""The periodic tasks for sweep, outbox relay and retention; running one twice is harmless."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from celery import Task

from payment_worker import bootstrap
from payment_worker.celery import app
from payment_worker.contracts.requests import MaintenanceRequest
from payment_worker.domain.attempts.attempt import Action
from payment_worker.flows.maintenance.outbox_relay import publish
from payment_worker.flows.maintenance.retention import PruneBudget, Retention
from payment_worker.flows.maintenance.retention import prune as prune_flow
from payment_worker.flows.maintenance.sweep import FollowUp, claim_due, claim_follow_ups
from payment_worker.redis.stream import StreamUnavailableError
from payment_worker.store.records.attempts import DueAttempt
from payment_worker.tasks.base import (
    before_soft_limit,
    context,
    notify_processing,
    parsed,
    unless_unavailable,
    within,
)
from payment_worker.tasks.sweep_limits import sweep_limits
from payment_worker.telemetry import logger
from payment_worker.telemetry.metrics import PUBLISHED, SWEPT
from payment_worker.telemetry.recorder import count

log = logger(__name__)


@app.task(bind=True, name="payment_worker.resume_stalled", typing=False)
def resume_stalled(self: Task, *args: object, **kwargs: object) -> dict[str, int]:
    """Enqueue due work and work whose owner died."""
    parsed(self, MaintenanceRequest, args, kwargs)
    limits = sweep_limits(sweep_seconds=bootstrap.settings().resume_every)
    if limits is None:
        return {}
    due_work = unless_unavailable(self, lambda: claim_due(context(self), limits))
    _enqueue_attempts(due_work.attempts, is_followed=limits.is_followed(due_work.attempts))
    if due_work.has_new_events:
        notify_processing()
    for event in due_work.events:
        app.send_task("payment_worker.process_event", kwargs=asdict(event))
    for refund_id in due_work.waiting_refunds:
        app.send_task("payment_worker.continue_refund", kwargs={"refund_id": str(refund_id)})
    counts = {
        "attempts": len(due_work.attempts),
        "events": len(due_work.events),
        "waiting_refunds": len(due_work.waiting_refunds),
        **{str(kind): _enqueue_claimed(self, kind) for kind in FOLLOW_UPS},
    }
    for kind, number in counts.items():
        count(SWEPT, kind, by=number)
    if any(counts.values()):
        log.info("swept", **counts)
    return counts


# A sweep enqueues thousands of messages while the same worker could make charges. For each, Celery would declare the
# queue, which a worker does when it starts, and describe the arguments, which our workers describe themselves.
_LEAN: Final[Mapping[str, Any]] = MappingProxyType({"declare": (), "argsrepr": "", "kwargsrepr": ""})


def _enqueue_attempts(attempts: Sequence[DueAttempt], *, is_followed: bool) -> None:
    halfway = len(attempts) // 2 if is_followed else None
    with app.producer_pool.acquire(block=True) as producer:
        for number, attempt in enumerate(attempts):
            arguments = {"attempt_id": attempt.attempt_id, "lease_token": attempt.lease_token}
            app.send_task(
                "payment_worker.execute_attempt",
                kwargs={**arguments, "then_sweep": True} if number == halfway else arguments,
                queue="refunds" if attempt.action == Action.REFUND else "charges",
                producer=producer,
                **_LEAN,
            )


FOLLOW_UPS: Final[Mapping[FollowUp, tuple[str, str]]] = MappingProxyType(
    {
        FollowUp.RETRIES: ("payment_worker.retry_declined", "attempt_id"),
        FollowUp.EXPIRED_ACTIONS: ("payment_worker.expire_action", "payment_id"),
        FollowUp.ADOPTIONS: ("payment_worker.continue_adoption", "payment_id"),
        FollowUp.FRAUD_WARNINGS: ("payment_worker.refund_suspected", "stripe_early_fraud_warning_id"),
    }
)
"""The task for each row that is due, and the argument that names the row."""


def _enqueue_claimed(task: Task, follow_up: FollowUp) -> int:
    name, argument = FOLLOW_UPS[follow_up]
    claimed = unless_unavailable(task, lambda: claim_follow_ups(context(task), follow_up))
    for each in claimed:
        app.send_task(name, kwargs={argument: str(each) if isinstance(each, UUID) else each})
    return len(claimed)


@app.task(bind=True, name="payment_worker.publish_events", typing=False)
def publish_events(self: Task, *args: object, **kwargs: object) -> dict[str, int]:
    """Publish the messages of the outbox."""
    parsed(self, MaintenanceRequest, args, kwargs)
    try:
        has_time = within(before_soft_limit(bootstrap.settings()))
        published = unless_unavailable(
            self, lambda: publish(context(self), bootstrap.process().stream, has_time=has_time)
        )
    except StreamUnavailableError as error:
        log.warning("stream unavailable", error=str(error))
        return {"published": 0}
    count(PUBLISHED, by=published)
    if published:
        log.info("published", messages=published)
    return {"published": published}


@app.task(bind=True, name="payment_worker.prune", typing=False)
def prune(self: Task, *args: object, **kwargs: object) -> dict[str, int]:
    """Delete and archive what is past its retention."""
    parsed(self, MaintenanceRequest, args, kwargs)
    settings = bootstrap.settings()
    retention = Retention(
        money=timedelta(seconds=settings.retention_money),
        events=timedelta(seconds=settings.retention_events),
        outbox=timedelta(seconds=settings.retention_outbox),
        reports=timedelta(seconds=settings.retention_reports),
    )
    # The soft limit is later: a batch that is begun by then ends before it.
    budget = PruneBudget(has_time=within(settings.visibility_timeout / 2))
    pruned = unless_unavailable(self, lambda: prune_flow(context(self), retention, budget))
    if pruned is None:
        log.info("prune skipped: another process prunes")
        return {}
    if any(pruned.values()):
        log.info("pruned", **pruned)
    return dict(pruned)
