"""Deletes and archives rows that are past their retention (`PAYMENT_WORKER_RETENTION_…`), in small batches."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from payment_worker.flows.context import Context
from payment_worker.store.connection.advisory_lock import PRUNE_LOCK, alone
from payment_worker.store.removal import archive, deletion
from payment_worker.store.removal.deletion import Prune

BATCH: Final = 500
"""Rows in one transaction: milliseconds of locks on rows that nothing else uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long finished rows are kept; each is the setting of the same name."""

    money: timedelta
    events: timedelta
    outbox: timedelta
    reports: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneBudget:
    """How much is done at once."""

    batch: int = BATCH
    go_on: Callable[[], bool] = lambda: True
    """Called before each batch; the next run continues where this one ended."""


def prune(
    context: Context, retention: Retention, stint: PruneBudget = PruneBudget()
) -> Mapping[str, int] | None:
    """Prune until nothing is left or the time is up.

    Returns:
        How many rows of each kind were deleted; None while another process prunes.
    """
    now = context.clock()
    with alone(context.database, PRUNE_LOCK) as is_ours:
        if not is_ours:
            return None
        steps: dict[str, tuple[Prune, timedelta]] = {
            "events": (deletion.events, retention.events),
            # Messages that would be republished after a loss of the stream must still exist.
            "messages": (deletion.messages, max(retention.outbox, context.policy.republish_window)),
            **{name: (step, retention.reports) for name, step in deletion.REPORTS.items()},
        }
        counts = {
            name: _delete(context, step, now - kept_for, stint) for name, (step, kept_for) in steps.items()
        }
        counts["payments"] = _archive(context, now - retention.money, stint)
    return counts


def _delete(context: Context, step: Prune, before: datetime, stint: PruneBudget) -> int:
    deleted = 0
    while stint.go_on():
        with context.database.begin() as connection:
            count = step(connection, before, stint.batch)
        deleted += count
        if count < stint.batch:
            break
    return deleted


def _archive(context: Context, before: datetime, stint: PruneBudget) -> int:
    archived = 0
    place: int | None = 0
    while place is not None and stint.go_on():
        with context.database.begin() as connection:
            oldest = archive.oldest(connection, after=place, before=before, limit=stint.batch)
            place = oldest.last
            if not oldest.payment_ids:
                continue
            quiet = archive.lock_quiet(connection, oldest.payment_ids, before=before)
            if quiet:
                archive.archive(connection, quiet)
                archived += len(quiet)
    return archived
