"""How much waits in the tables, and since when. Each query reads unfinished rows alone, by an index."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, select

from payment_worker.store import tables
from payment_worker.store.events import EventStatus
from payment_worker.store.findings import FindingStatus
from payment_worker.store.symptoms import Many

_ATTEMPT: Final = tables.payment_attempt.c
_EVENT: Final = tables.stripe_event.c
_OUTBOX: Final = tables.outbox.c
_FINDING: Final = tables.reconciliation_finding.c
_RUN: Final = tables.reconciliation_run.c


@dataclass(frozen=True, slots=True)
class OpenAttempts:
    """Attempts of one kind that are not over."""

    action: str
    status: str
    doubt: str | None
    many: Many


def hurry(connection: Connection, *, seconds: int) -> None:
    """Let no statement of this transaction take longer than this."""
    connection.execute(select(func.set_config("statement_timeout", f"{seconds}s", True)))  # noqa: FBT003 - SQL's own


def attempts(connection: Connection) -> Sequence[OpenAttempts]:
    """Attempts that are not over, by action, status and doubt; since they were begun."""
    kind = (_ATTEMPT.action, _ATTEMPT.status, _ATTEMPT.doubt)
    query = (
        select(*kind, func.count(), func.min(_ATTEMPT.created_at))
        .where(_ATTEMPT.finished_at.is_(None))
        .group_by(*kind)
    )
    return [
        OpenAttempts(action, status, doubt, Many(count, oldest_at))
        for action, status, doubt, count, oldest_at in connection.execute(query)
    ]


def messages(connection: Connection) -> Many:
    """Messages that are not told yet, since they were written."""
    query = select(func.count(), func.min(_OUTBOX.occurred_at)).where(_OUTBOX.published_at.is_(None))
    return Many(*connection.execute(query).one())


def events(connection: Connection) -> Many:
    """Events that are not settled yet, since they were received."""
    query = select(func.count(), func.min(_EVENT.received_at)).where(_EVENT.status == EventStatus.RECEIVED)
    return Many(*connection.execute(query).one())


def findings(connection: Connection) -> Sequence[tuple[str, Many]]:
    """Findings that are left for a person, by kind, since they were found."""
    query = (
        select(_FINDING.kind, func.count(), func.min(_FINDING.found_at))
        .where(_FINDING.status == FindingStatus.OPEN)
        .group_by(_FINDING.kind)
    )
    return [(kind, Many(count, oldest_at)) for kind, count, oldest_at in connection.execute(query)]


def accounts_polled(connection: Connection) -> Sequence[tuple[str, datetime]]:
    """The Stripe accounts whose events are polled, and when they last were."""
    poll = tables.event_poll.c
    query = select(poll.stripe_account, poll.polled_at).order_by(poll.stripe_account)
    return [(account, polled_at) for account, polled_at in connection.execute(query)]


def reconciled_at(connection: Connection) -> datetime | None:
    """When the last scheduled reconciliation was finished."""
    finished_at: datetime | None = connection.scalar(
        select(func.max(_RUN.finished_at)).where(_RUN.is_scheduled)
    )
    return finished_at
