"""Rows of `payment_attempt`: claimed under leases, fenced, finished or rescheduled."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, exists, func, null, or_, select

from payment_worker.domain.attempts.attempt import UNFINISHED, Action, Attempt, AttemptStatus, LookupProgress
from payment_worker.domain.attempts.outcome import Delay, UnknownReason
from payment_worker.domain.payment import Payment
from payment_worker.store import tables
from payment_worker.store.connection.database import Database
from payment_worker.store.due_rows import DueRows, claim_of
from payment_worker.store.records import payments
from payment_worker.store.statements import Change, Compiled, Row, Write, write_if_found

table: Final = tables.payment_attempt

_FIELDS: Final = frozenset(field.name for field in fields(Attempt))
_OF_TABLE: Final = [column for column in table.c if column.name in _FIELDS]
"""What an attempt and its row both have."""

COLUMNS: Final = [
    column.label(f"attempt_{column.name}")
    for column in (*_OF_TABLE, table.c.next_action_at, table.c.lookup_started_at, table.c.lookup_cursor)
]
"""Labelled, so that a payment's columns can stand beside them."""


@dataclass(frozen=True, slots=True)
class DueAttempt:
    """A due attempt, for whomever the message reaches to claim."""

    attempt_id: int
    lease_token: int
    action: str
    next_action_at: datetime


DUE: Final = DueRows(table.c.attempt_id, table.c.next_action_at)
"""By the time alone: no finished one has it, and no other index serves."""

DUE_COLUMNS: Final = [table.c[name] for name in DueAttempt.__slots__]


def attempt_of(row: RowMapping | Mapping[str, Any], *, as_of_version: int) -> Attempt:
    """The attempt that a row with all of `COLUMNS` holds."""
    values = {column.name: row[f"attempt_{column.name}"] for column in _OF_TABLE}
    unknown_reason, lookup_cursor = values["unknown_reason"], row["attempt_lookup_cursor"]
    return Attempt(
        **values
        | {
            "action": Action(values["action"]),
            "status": AttemptStatus(values["status"]),
            "unknown_reason": UnknownReason(unknown_reason) if unknown_reason else None,
        },
        leased_until=row["attempt_next_action_at"],
        as_of_version=as_of_version,
        lookup_progress=LookupProgress(row["attempt_lookup_started_at"], lookup_cursor)
        if lookup_cursor
        else None,
    )


# By its key alone, here and wherever one row is meant: with `finished_at IS NULL` beside the key, PostgreSQL may walk
# an index of all unfinished rows, which it estimates to be empty until the next ANALYZE.
LOCKED: Final = (
    select(*payments.COLUMNS, *COLUMNS)
    .join_from(tables.payment, table, table.c.payment_id == tables.payment.c.payment_id)
    .where(table.c.attempt_id == bindparam("attempt_id"))
    .with_for_update(of=[tables.payment, table])
)


def lock_unfinished(connection: Connection, attempt_id: int) -> tuple[Payment, Attempt] | None:
    """An unfinished attempt and its payment, both locked until the transaction ends."""
    row = connection.execute(LOCKED, {"attempt_id": attempt_id}).mappings().one_or_none()
    if row is None or AttemptStatus(row["attempt_status"]) not in UNFINISHED:
        return None
    payment = payments.payment_of(row)
    return payment, attempt_of(row, as_of_version=payment.version)


UNCHANGED: Final = (
    select(table.c.attempt_id)
    .join_from(tables.payment, table, table.c.payment_id == tables.payment.c.payment_id)
    .where(
        table.c.attempt_id == bindparam("attempt_id"),
        table.c.lease_token == bindparam("lease_token"),
        or_(*(table.c.status == status for status in sorted(UNFINISHED))),
        tables.payment.c.version == bindparam("version"),
    )
    .with_for_update(of=[tables.payment, table])
)


def write_if_unchanged(
    database: Database, attempt: Attempt, payment: Payment, writes: Sequence[Write]
) -> bool:
    """Make these writes in one statement if the attempt is still its owner's and the payment still of this version."""
    key = {
        "attempt_id": attempt.attempt_id,
        "lease_token": attempt.lease_token,
        "version": payment.version,
    }
    return write_if_found(database, UNCHANGED, key, writes)


def unfinished(
    connection: Connection, *, payment_id: UUID, refund_id: UUID | None = None
) -> DueAttempt | None:
    """The one attempt on this refund, or on this payment itself, that has no outcome yet."""
    row = newest_unfinished(connection, DUE_COLUMNS, payment_id=payment_id, refund_id=refund_id)
    return DueAttempt(**{name: row[name] for name in DueAttempt.__slots__}) if row else None


def count_absent(connection: Connection, attempt: Attempt) -> int:
    """How many earlier attempts of the same request turned out to be absent."""
    query = select(func.count()).where(
        table.c.payment_id == attempt.payment_id,
        table.c.refund_id.is_not_distinct_from(attempt.refund_id),
        table.c.action == attempt.action,
        table.c.request_id.is_not_distinct_from(attempt.request_id),
        table.c.status == AttemptStatus.ABSENT,
    )
    return connection.execute(query).scalar_one()


def new_row(attempt: Attempt, *, scheduled_at: datetime | None = None) -> Row:
    """The row of a new attempt, leased to its creator.

    Args:
        scheduled_at: when it was noted, if nobody owns it before it is due: the sweep hands it out then.
    """
    return Row(
        table,
        {
            "payment_id": attempt.payment_id,
            "refund_id": attempt.refund_id,
            "number": attempt.number,
            "action": attempt.action,
            "path": attempt.path,
            "parameters": attempt.parameters,
            "idempotency_key": attempt.idempotency_key,
            "status": attempt.status,
            "tries": attempt.tries,
            "lease_token": attempt.lease_token,
            "next_action_at": attempt.leased_until,
            "first_sent_at": attempt.first_sent_at,
            "sent_until": attempt.sent_until,
            "created_at": scheduled_at or attempt.first_sent_at,
            **({"never_sent": True} if scheduled_at else {}),
            **({"request_id": attempt.request_id} if attempt.request_id else {}),
            **({"stripe_sent_at": attempt.stripe_sent_at} if attempt.stripe_sent_at else {}),
        },
    )


def insert(connection: Connection, attempt: Attempt) -> Attempt:
    """Insert a new attempt.

    Returns:
        The same with its id.
    """
    row = new_row(attempt)
    inserted = connection.execute(row.table.insert().values(**row.values).returning(table.c.attempt_id))
    return replace(attempt, attempt_id=inserted.scalar_one())


def claimed(
    attempt: Attempt,
    *,
    now: datetime,
    stripe_now: datetime | None,
    leased_until: datetime,
    will_send: bool,
) -> Change:
    """The change that gives an attempt, locked now, to its next owner."""
    values: dict[str, Any] = {"lease_token": attempt.lease_token + 1, "next_action_at": leased_until}
    if will_send:
        values |= {"sent_until": leased_until, **_progress(None)}
        if attempt.never_sent:
            values |= {"never_sent": False, "first_sent_at": now, "stripe_sent_at": stripe_now}
    return Change(table, {"attempt_id": attempt.attempt_id}, values)


def finished(
    attempt: Attempt,
    *,
    status: AttemptStatus,
    error_code: str | None = None,
    stripe_request_id: str | None = None,
    retry_at: datetime | None = None,
    now: datetime,
) -> Change:
    """The change that finishes an attempt; with the time of the next retry, if there is an automatic one."""
    return Change(
        table,
        _owner_key(attempt),
        {
            "status": status,
            "unknown_reason": None,
            "error_code": error_code,
            "next_action_at": None,
            "finished_at": now,
            **_request_id_value(stripe_request_id or attempt.stripe_request_id),
            **({"retry_at": retry_at} if retry_at else {}),
            **(_progress(None) if attempt.lookup_progress else {}),
        },
    )


def reschedule(
    attempt: Attempt,
    *,
    unknown_reason: UnknownReason | None,
    tries: int,
    next_action_at: datetime,
    error_code: str,
    stripe_request_id: str | None,
) -> Change:
    """The change that reschedules an attempt; with an unknown reason, as unknown. Earlier task messages become void."""
    return Change(
        table,
        _owner_key(attempt),
        {
            "lease_token": attempt.lease_token + 1,
            "status": AttemptStatus.UNKNOWN if unknown_reason else AttemptStatus.OPEN,
            "unknown_reason": unknown_reason,
            "tries": tries,
            "next_action_at": next_action_at,
            "error_code": error_code,
            "sent_until": attempt.sent_until,
            "never_sent": attempt.never_sent,
            "stripe_sent_at": attempt.stripe_sent_at,
            **_request_id_value(stripe_request_id or attempt.stripe_request_id),
            **_progress(attempt.lookup_progress),
        },
    )


def claim_unsent(
    database: Database,
    attempt_id: int,
    *,
    lease_token: int,
    now: datetime,
    stripe_now: datetime | None,
    leased_until: datetime,
) -> tuple[Payment, Attempt] | None:
    """Claim an attempt that was never sent, with one statement; it is ours until then, with its payment as it is.

    None if this is no such attempt, or the token is not valid any more, or Stripe has shown what the attempt makes.
    """
    parameters = {
        "id": attempt_id,
        "token": lease_token,
        "now": now,
        "stripe_now": stripe_now,
        "until": leased_until,
    }
    row = _claim_unsent().run(database, parameters)
    if row is None:
        return None
    payment = payments.payment_of(row)
    return payment, replace(attempt_of(row, as_of_version=payment.version), never_sent=True)


@cache
def _claim_unsent() -> Compiled:
    payment, refund = tables.payment.c, tables.refund.c
    is_refunded = exists().where(refund.refund_id == table.c.refund_id, refund.stripe_refund_id.is_not(None))
    update = (
        table.update()
        .where(
            table.c.attempt_id == bindparam("id"),
            table.c.lease_token == bindparam("token"),
            table.c.never_sent,
            table.c.status == AttemptStatus.OPEN,
            payment.payment_id == table.c.payment_id,
            or_(table.c.action != Action.CHARGE, payment.stripe_payment_intent_id.is_(None)),
            ~is_refunded,
        )
        .values(
            lease_token=table.c.lease_token + 1,
            next_action_at=bindparam("until"),
            sent_until=bindparam("until"),
            first_sent_at=bindparam("now"),
            stripe_sent_at=bindparam("stripe_now"),
            never_sent=False,
            **dict.fromkeys(_progress(None), null()),
        )
    )
    return Compiled(update.returning(*payments.COLUMNS, *COLUMNS))


def claim_due(
    connection: Connection, *, now: datetime, leased_until: datetime, limit: int
) -> Sequence[DueAttempt]:
    """Attempts that are due or whose lease has expired; no other sweep gets them for a while.

    They are not claimed: the task that receives the message does that. If messages wait longer than that while, an
    attempt is enqueued again, and whichever message is read first is still valid.
    """
    claim = claim_of(DUE, now=now, until=leased_until, limit=limit).returning(*DUE_COLUMNS)
    return [DueAttempt(**row) for row in connection.execute(claim).mappings()]


def end_pause(connection: Connection, *, actions: Collection[str], now: datetime) -> int:
    """Make due at once what waited for the end of a pause of these actions.

    Nobody works on any of it: whoever claims an attempt notes first that it is not unsent any more.

    Returns:
        How many.
    """
    update = (
        table.update()
        .where(
            table.c.never_sent,
            table.c.finished_at.is_(None),
            table.c.error_code == Delay.PAUSED,
            table.c.action.in_(actions),
        )
        .values(next_action_at=now)
    )
    return connection.execute(update).rowcount


def _request_id_value(stripe_request_id: str | None) -> Mapping[str, str]:
    """Stripe's id of the last request, which its support asks for first."""
    return {"stripe_request_id": stripe_request_id} if stripe_request_id else {}


def _progress(lookup_progress: LookupProgress | None) -> Mapping[str, Any]:
    return {
        "lookup_started_at": lookup_progress and lookup_progress.at,
        "lookup_cursor": lookup_progress and lookup_progress.after,
    }


def _owner_key(attempt: Attempt) -> Mapping[str, int]:
    return {"attempt_id": attempt.attempt_id, "lease_token": attempt.lease_token}


def newest_unfinished(
    connection: Connection, columns: Sequence[ColumnElement[Any]], *, payment_id: UUID, refund_id: UUID | None
) -> RowMapping | None:
    """The newest attempt on this refund, or on this payment itself, if it is unfinished: older ones never are."""
    conditions = (table.c.payment_id == payment_id, table.c.refund_id.is_not_distinct_from(refund_id))
    query = select(*columns, table.c.finished_at).where(*conditions).order_by(table.c.number.desc()).limit(1)
    row = connection.execute(query).mappings().one_or_none()
    return row if row and row["finished_at"] is None else None
