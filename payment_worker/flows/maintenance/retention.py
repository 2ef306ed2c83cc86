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
    has_time: Callable[[], bool] = lambda: True
    """Called before each batch; the next run continues where this one ended."""


def prune(
    context: Context, retention: Retention, budget: PruneBudget = PruneBudget()
) -> Mapping[str, int] | None:
    """Prune until nothing is left or the time is up.

    Returns:
        How many rows of each kind were deleted, and how many payments were archived; None while another process prunes.
    """
    now = context.clock()
    with alone(context.database, PRUNE_LOCK) as is_ours:
        if not is_ours:
            return None
        steps: dict[str, tuple[Prune, timedelta]] = {
            "events": (deletion.events, retention.events),
            # Messages that would be republished after a loss of the stream must still exist.
            "messages": (deletion.messages, max(retention.outbox, context.policy.republish_window)),
            **{name: (delete_rows, retention.reports) for name, delete_rows in deletion.REPORTS.items()},
        }
        counts = {
            name: _delete_in_batches(context, delete_rows, now - kept_for, budget)
            for name, (delete_rows, kept_for) in steps.items()
        }
        counts["payments"] = _archive_payments(context, now - retention.money, budget)
    return counts


def _delete_in_batches(context: Context, delete_rows: Prune, before: datetime, budget: PruneBudget) -> int:
    deleted = 0
    while budget.has_time():
        with context.database.begin() as connection:
            count = delete_rows(connection, before, budget.batch)
        deleted += count
        if count < budget.batch:
            break
    return deleted


def _archive_payments(context: Context, before: datetime, budget: PruneBudget) -> int:
    archived = 0
    cursor: int | None = 0
    while cursor is not None and budget.has_time():
        with context.database.begin() as connection:
            oldest = archive.oldest(connection, after=cursor, before=before, limit=budget.batch)
            cursor = oldest.last
            if not oldest.payment_ids:
                continue
            quiet_ids = archive.lock_quiet(connection, oldest.payment_ids, before=before)
            if quiet_ids:
                archive.archive(connection, quiet_ids)
                archived += len(quiet_ids)
    return archived
