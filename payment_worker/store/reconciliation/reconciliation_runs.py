"""Rows of `reconciliation_run`: the progress of each reconciliation."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Select, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from payment_worker.store import tables
from payment_worker.store.reconciliation.reconciliation_candidates import Candidate
from payment_worker.store.reconciliation.reconciliation_candidates import forget as forget_candidates
from payment_worker.store.reconciliation.reconciliation_candidates import keep as keep_candidates

table: Final = tables.reconciliation_run
matches: Final = tables.reconciliation_match

RUNNING: Final = "RUNNING"
FINISHED: Final = "FINISHED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A reconciliation of a period, and where it stands."""

    run_id: int
    since: datetime
    until: datetime
    is_scheduled: bool
    status: str
    step: str
    stripe_account: str
    cursor: str | None
    read_back_to: datetime | None
    """When the last object read so far was created: lists are read newest first."""
    payments: int = 0
    refunds: int = 0
    disputes: int = 0
    repaired: int = 0
    left_open: int = 0
    closed: int = 0
    started_at: datetime
    updated_at: datetime
    finished_at: datetime | None = None

    @property
    def is_finished(self) -> bool:
        """Whether all of the period was compared."""
        return self.status == FINISHED


COLUMNS: Final = [table.c[name] for name in Run.__slots__]


def begin(
    connection: Connection, *, since: datetime, until: datetime, is_scheduled: bool, step: str, now: datetime
) -> Run:
    """Begin a run."""
    row = insert(table).values(
        since=since,
        until=until,
        is_scheduled=is_scheduled,
        status=RUNNING,
        step=step,
        stripe_account="",
        started_at=now,
        updated_at=now,
    )
    return Run(**connection.execute(row.returning(*COLUMNS)).mappings().one())


def save(
    connection: Connection,
    run: Run,
    *,
    matched: Iterable[str] = (),
    candidates: Sequence[Candidate] = (),
    now: datetime,
) -> Run:
    """Write how far the run has come, and which objects it met; the run as it is now."""
    objects = [{"run_id": run.run_id, "object_id": each} for each in set(matched)]
    if objects:
        connection.execute(insert(matches).values(objects).on_conflict_do_nothing())
    keep_candidates(connection, candidates, run_id=run.run_id)
    updated = replace(run, updated_at=now)
    values = {name: value for name, value in asdict(updated).items() if name != "run_id"}
    connection.execute(table.update().where(table.c.run_id == run.run_id).values(**values))
    return updated


def finish(connection: Connection, run: Run, *, now: datetime) -> Run:
    """Write that all was compared, and forget the objects that were met."""
    connection.execute(matches.delete().where(matches.c.run_id == run.run_id))
    forget_candidates(connection, run_id=run.run_id)
    return save(connection, replace(run, status=FINISHED, cursor=None, finished_at=now), now=now)


def unfinished(connection: Connection) -> Sequence[Run]:
    """Runs that were begun and not finished, oldest first."""
    return _runs(connection, select(*COLUMNS).where(table.c.status == RUNNING).order_by(table.c.run_id))


def newest(connection: Connection, *, limit: int) -> Sequence[Run]:
    """The runs that were begun last."""
    return _runs(connection, select(*COLUMNS).order_by(table.c.run_id.desc()).limit(limit))


def scheduled_until(connection: Connection) -> datetime | None:
    """Until when scheduled runs have compared everything."""
    query = select(func.max(table.c.until)).where(table.c.is_scheduled, table.c.status == FINISHED)
    at: datetime | None = connection.scalar(query)
    return at


def first_of_those_after(connection: Connection, at: datetime) -> datetime | None:
    """Where the period begins of the scheduled runs that did not finish before this instant."""
    is_unfinished_then = or_(table.c.finished_at.is_(None), table.c.finished_at >= at)
    since: datetime | None = connection.scalar(
        select(func.min(table.c.since)).where(table.c.is_scheduled, is_unfinished_then)
    )
    return since


def _runs(connection: Connection, query: Select[tuple[object, ...]]) -> list[Run]:
    return [Run(**row) for row in connection.execute(query).mappings()]
