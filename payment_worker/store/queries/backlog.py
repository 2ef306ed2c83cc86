"""What `doctor` and the gauges read: what is overdue, unknown, parked, rejected or late; each query has an index."""

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
    rows: RowCount


def overdue(connection: Connection, *, before: datetime, id_limit: int = 0) -> Mapping[str, RowCount]:
    """What should have been done before this instant, and was not; the oldest so many by their ids."""
    return {
        kind: _row_count(
            connection, due_at, and_(is_waiting, due_at < before), identity=identity, id_limit=id_limit
        )
        for kind, (identity, due_at, is_waiting) in _DUE.items()
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
    rows: RowCount


def refused_of_us(connection: Connection, *, id_limit: int = 0) -> Sequence[RefusedOfUs]:
    """Attempts that Stripe rejects because of our key, by action and Stripe's code."""
    is_refused = and_(
        _ATTEMPT.finished_at.is_(None),
        or_(*(_ATTEMPT.error_code.startswith(str(each)) for each in REFUSED_OF_US)),
    )
    kinds = connection.execute(
        select(_ATTEMPT.action, _ATTEMPT.error_code).where(is_refused).distinct()
    ).all()
    return [
        RefusedOfUs(
            action,
            reason,
            _row_count(
                connection,
                _ATTEMPT.created_at,
                and_(is_refused, _ATTEMPT.action == action, _ATTEMPT.error_code == reason),
                identity=_ATTEMPT.payment_id,
                id_limit=id_limit,
            ),
        )
        for action, reason in sorted(tuple(kind) for kind in kinds)
    ]


def parked(connection: Connection, *, id_limit: int = 0) -> RowCount:
    """Events that were tried too often."""
    is_parked = _EVENT.status == EventStatus.PARKED
    return _row_count(connection, _EVENT.received_at, is_parked, identity=_EVENT.event_id, id_limit=id_limit)


def disputes(connection: Connection, *, id_limit: int = 0) -> RowCount:
    """Disputes that need a response, from the time when the first is due."""
    dispute = tables.dispute.c
    needs_response = dispute.status.in_(sorted(NEED_RESPONSE))
    return _row_count(
        connection, dispute.evidence_due_by, needs_response, identity=dispute.payment_id, id_limit=id_limit
    )


def findings(connection: Connection, *, id_limit: int = 0) -> RowCount:
    """Findings that an operator has to decide."""
    finding = tables.reconciliation_finding.c
    is_open = finding.status == FindingStatus.OPEN
    return _row_count(connection, finding.found_at, is_open, identity=finding.finding_id, id_limit=id_limit)


def rejected(connection: Connection, *, since: datetime, id_limit: int = 0) -> RowCount:
    """Requests that could not be accepted since this instant."""
    request = tables.rejected_request.c
    is_recent = request.received_at >= since
    return _row_count(
        connection, request.received_at, is_recent, identity=request.request_id, id_limit=id_limit
    )


def beyond_deadline(connection: Connection, *, now: datetime, id_limit: int = 0) -> Iterator[PastDeadline]:
    """For each state that is not final: payments or refunds that have been in it for longer than they may."""
    for table, deadlines in _DEADLINES:
        columns = table.c
        for status, longest in deadlines.items():
            is_late = and_(columns.status == status, columns.updated_at < now - longest)
            if table is tables.payment:
                # What is to be charged later has not begun to wait.
                is_late = and_(is_late, func.coalesce(columns.not_before, "-infinity") < now - longest)
            identity = columns[f"{table.name}_id"]
            row_count = _row_count(
                connection, columns.updated_at, is_late, identity=identity, id_limit=id_limit
            )
            yield PastDeadline(table.name, status, row_count)


def _row_count(
    connection: Connection,
    at: ColumnElement[datetime],
    condition: ColumnElement[bool],
    *,
    identity: ColumnElement[Any],
    id_limit: int,
) -> RowCount:
    count, oldest_at = connection.execute(select(func.count(), func.min(at)).where(condition)).one()
    ids = select(identity).where(condition).order_by(at).limit(id_limit)
    return RowCount(
        count, oldest_at, [str(each) for each in connection.scalars(ids)] if id_limit and count else ()
    )


_FINDING: Final = tables.reconciliation_finding.c
_RUN: Final = tables.reconciliation_run.c


@dataclass(frozen=True, slots=True)
class OpenAttempts:
    """Attempts of one kind that are not over."""

    action: str
    status: str
    unknown_reason: str | None
    rows: RowCount


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
