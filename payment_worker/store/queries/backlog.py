"""Counts rows that are overdue, unknown for too long, parked or rejected; each query has an index."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Table, and_, func, or_, select

from payment_worker.domain.attempts.attempt import AttemptStatus
from payment_worker.domain.attempts.outcome import REFUSED_OF_US
from payment_worker.domain.deadlines import PAYMENT_DEADLINES, REFUND_DEADLINES
from payment_worker.domain.dispute import NEED_RESPONSE
from payment_worker.store import tables
from payment_worker.store.events.inbox import EventStatus
from payment_worker.store.reconciliation.findings import FindingStatus

_ATTEMPT: Final = tables.payment_attempt.c
_EVENT: Final = tables.stripe_event.c
_PAYMENT: Final = tables.payment.c
_REFUND: Final = tables.refund.c
_OUTBOX: Final = tables.outbox.c

_DUE: Final[Mapping[str, tuple[ColumnElement[Any], ColumnElement[datetime], ColumnElement[bool]]]] = (
    MappingProxyType(
        {
            "attempts": (_ATTEMPT.payment_id, _ATTEMPT.next_action_at, _ATTEMPT.finished_at.is_(None)),
            "events": (_EVENT.event_id, _EVENT.next_action_at, _EVENT.status == EventStatus.RECEIVED),
            "waiting_refunds": (_REFUND.refund_id, _REFUND.waits_until, _REFUND.waits_until.is_not(None)),
            "adoptions": (
                _PAYMENT.payment_id,
                _PAYMENT.adoption_due_at,
                _PAYMENT.adoption_due_at.is_not(None),
            ),
            "messages": (_OUTBOX.payment_id, _OUTBOX.occurred_at, _OUTBOX.published_at.is_(None)),
        }
    )
)
"""For each kind of work: the id to name it by, when it is due, and which rows are unfinished."""

_DEADLINES: Final[Sequence[tuple[Table, Mapping[str, timedelta]]]] = (
    (tables.payment, {str(status): patience for status, patience in PAYMENT_DEADLINES.items()}),
    (tables.refund, {str(status): patience for status, patience in REFUND_DEADLINES.items()}),
)


@dataclass(frozen=True, slots=True)
class RowCount:
    """So many rows, the oldest of them from this instant."""

    count: int
    oldest_at: datetime | None
    ids: Sequence[str] = ()
    """Ids of the oldest, if requested."""


@dataclass(frozen=True, slots=True)
class UnknownAttempt:
    """An attempt whose outcome is unknown."""

    payment_id: UUID
    action: str
    unknown_reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class PastDeadline:
    """Payments or refunds that have been in one state for longer than they may."""

    table: str
    status: str
    many: RowCount


def overdue(connection: Connection, *, before: datetime, name: int = 0) -> Mapping[str, RowCount]:
    """What should have been done before this instant, and was not; the oldest so many by their ids."""
    return {
        kind: _many(connection, due, and_(waits, due < before), identity=identity, name=name)
        for kind, (identity, due, waits) in _DUE.items()
    }


def unknown(connection: Connection, *, before: datetime) -> Sequence[UnknownAttempt]:
    """Attempts that were begun before this instant and whose outcome is still unknown, oldest first."""
    query = (
        select(
            _ATTEMPT.payment_id, _ATTEMPT.action, _ATTEMPT.unknown_reason, _ATTEMPT.created_at.label("since")
        )
        .where(
            _ATTEMPT.finished_at.is_(None),
            _ATTEMPT.status == AttemptStatus.UNKNOWN,
            _ATTEMPT.created_at < before,
        )
        .order_by(_ATTEMPT.created_at)
    )
    return [UnknownAttempt(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - SQLAlchemy's public name


@dataclass(frozen=True, slots=True)
class RefusedOfUs:
    """Attempts that wait because Stripe rejects our API key or denies it a permission."""

    action: str
    reason: str
    many: RowCount


def refused_of_us(connection: Connection, *, name: int = 0) -> Sequence[RefusedOfUs]:
    """Attempts that Stripe rejects because of our key, by action and Stripe's code."""
    waits = and_(
        _ATTEMPT.finished_at.is_(None),
        or_(*(_ATTEMPT.error_code.startswith(str(each)) for each in REFUSED_OF_US)),
    )
    kinds = connection.execute(select(_ATTEMPT.action, _ATTEMPT.error_code).where(waits).distinct()).all()
    return [
        RefusedOfUs(
            action,
            reason,
            _many(
                connection,
                _ATTEMPT.created_at,
                and_(waits, _ATTEMPT.action == action, _ATTEMPT.error_code == reason),
                identity=_ATTEMPT.payment_id,
                name=name,
            ),
        )
        for action, reason in sorted(tuple(kind) for kind in kinds)
    ]


def parked(connection: Connection, *, name: int = 0) -> RowCount:
    """Events that were tried too often."""
    is_parked = _EVENT.status == EventStatus.PARKED
    return _many(connection, _EVENT.received_at, is_parked, identity=_EVENT.event_id, name=name)


def disputes(connection: Connection, *, name: int = 0) -> RowCount:
    """Disputes that need a response, from the time when the first is due."""
    dispute = tables.dispute.c
    needs_response = dispute.status.in_(sorted(NEED_RESPONSE))
    return _many(connection, dispute.evidence_due_by, needs_response, identity=dispute.payment_id, name=name)


def findings(connection: Connection, *, name: int = 0) -> RowCount:
    """Findings that an operator has to decide."""
    finding = tables.reconciliation_finding.c
    is_open = finding.status == FindingStatus.OPEN
    return _many(connection, finding.found_at, is_open, identity=finding.finding_id, name=name)


def rejected(connection: Connection, *, since: datetime, name: int = 0) -> RowCount:
    """Requests that could not be accepted since this instant."""
    request = tables.rejected_request.c
    is_recent = request.received_at >= since
    return _many(connection, request.received_at, is_recent, identity=request.request_id, name=name)


def beyond_deadline(connection: Connection, *, now: datetime, name: int = 0) -> Iterator[PastDeadline]:
    """For each state that is not final: payments or refunds that have been in it for longer than they may."""
    for table, deadlines in _DEADLINES:
        columns = table.c
        for status, patience in deadlines.items():
            late = and_(columns.status == status, columns.updated_at < now - patience)
            if table is tables.payment:
                # What is to be charged later has not begun to wait.
                late = and_(late, func.coalesce(columns.not_before, "-infinity") < now - patience)
            identity = columns[f"{table.name}_id"]
            many = _many(connection, columns.updated_at, late, identity=identity, name=name)
            yield PastDeadline(table.name, status, many)


def _many(
    connection: Connection,
    at: ColumnElement[datetime],
    where: ColumnElement[bool],
    *,
    identity: ColumnElement[Any],
    name: int,
) -> RowCount:
    count, oldest_at = connection.execute(select(func.count(), func.min(at)).where(where)).one()
    ids = select(identity).where(where).order_by(at).limit(name)
    return RowCount(
        count, oldest_at, [str(each) for each in connection.scalars(ids)] if name and count else ()
    )


_FINDING: Final = tables.reconciliation_finding.c
_RUN: Final = tables.reconciliation_run.c


@dataclass(frozen=True, slots=True)
class OpenAttempts:
    """Attempts of one kind that are not over."""

    action: str
    status: str
    unknown_reason: str | None
    many: RowCount


def limit_statement_time(connection: Connection, *, seconds: int) -> None:
    """Let no statement of this transaction take longer than this."""
    connection.execute(select(func.set_config("statement_timeout", f"{seconds}s", True)))  # noqa: FBT003 - SQL's own


def attempts(connection: Connection) -> Sequence[OpenAttempts]:
    """Unfinished attempts, by action, status and unknown reason, with the time of the oldest."""
    kind = (_ATTEMPT.action, _ATTEMPT.status, _ATTEMPT.unknown_reason)
    query = (
        select(*kind, func.count(), func.min(_ATTEMPT.created_at))
        .where(_ATTEMPT.finished_at.is_(None))
        .group_by(*kind)
    )
    return [
        OpenAttempts(action, status, unknown_reason, RowCount(count, oldest_at))
        for action, status, unknown_reason, count, oldest_at in connection.execute(query)
    ]


def messages(connection: Connection) -> RowCount:
    """Messages that are not published yet, with the time of the oldest."""
    query = select(func.count(), func.min(_OUTBOX.occurred_at)).where(_OUTBOX.published_at.is_(None))
    return RowCount(*connection.execute(query).one())


def events(connection: Connection) -> RowCount:
    """Events that are not processed yet, since they were received."""
    query = select(func.count(), func.min(_EVENT.received_at)).where(_EVENT.status == EventStatus.RECEIVED)
    return RowCount(*connection.execute(query).one())


def findings_by_kind(connection: Connection) -> Sequence[tuple[str, RowCount]]:
    """Open findings by kind, with the time of the oldest."""
    query = (
        select(_FINDING.kind, func.count(), func.min(_FINDING.found_at))
        .where(_FINDING.status == FindingStatus.OPEN)
        .group_by(_FINDING.kind)
    )
    return [(kind, RowCount(count, oldest_at)) for kind, count, oldest_at in connection.execute(query)]


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
