"""Rows of `rejected_request`: rejected requests with their errors, and whether they were replayed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.dialects.postgresql import insert

from payment_worker.domain.uuids import as_uuid
from payment_worker.store import tables

rejected: Final = tables.rejected_request


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRequest:
    """One row."""

    request_id: UUID
    task: str
    arguments: Mapping[str, object]
    errors: Sequence[Mapping[str, str]]
    ids: Sequence[str]
    """Every id that it carried, as text."""
    is_complete: bool
    """Whether the arguments are stored unmasked, so that the request can be enqueued again."""
    received_at: datetime
    replayed_at: datetime | None = None
    replayed_by: str | None = None


def keep(connection: Connection, request: RejectedRequest) -> UUID | None:
    """Store a rejected request; returns the id under which it is stored, or None if it was stored before.

    Another request may have the same id, from an app that names its messages after its orders. The first keeps the id;
    each other gets one made of its content, which is the same at each delivery.
    """
    row = {each.name: getattr(request, each.name) for each in fields(request)}
    is_same = (rejected.c.task == request.task) & (rejected.c.arguments == request.arguments)
    for identity in _identities(request.request_id, request.task, request.arguments):
        statement = insert(rejected).values({**row, "request_id": identity}).on_conflict_do_nothing()
        if connection.execute(statement).rowcount:
            return identity
        if connection.scalar(select(is_same).where(rejected.c.request_id == identity)):
            return None
    return None


def first_code(connection: Connection, *, request_id: UUID, task: str, arguments: object) -> str | None:
    """Why this request was rejected, if it was: the code of its first error."""
    is_same = (rejected.c.task == task) & (rejected.c.arguments == arguments)
    query = select(rejected.c.errors[0]["code"].astext).where(
        rejected.c.request_id.in_(_identities(request_id, task, arguments)), is_same
    )
    return connection.scalar(query)


def newest(connection: Connection, *, task: str | None, limit: int) -> Sequence[RejectedRequest]:
    """The newest, of one task or of all."""
    query = select(rejected).order_by(rejected.c.received_at.desc()).limit(limit)
    rows = connection.execute(query.where(rejected.c.task == task) if task else query)
    return [_request(row) for row in rows]


def carrying(connection: Connection, identity: str, *, limit: int) -> Sequence[RejectedRequest]:
    """The newest that carried this id; a UUID in whatever way it is written."""
    # By the id before anything else: by the time, PostgreSQL passes over the whole table if it expects many of one id.
    query = select(rejected).where(rejected.c.ids.contains([str(as_uuid(identity) or identity)]))
    carrying = query.cte("carrying").prefix_with("MATERIALIZED")
    rows = connection.execute(select(carrying).order_by(carrying.c.received_at.desc()).limit(limit))
    return [_request(row) for row in rows]


def lock(connection: Connection, request_id: UUID) -> RejectedRequest | None:
    """Lock the one of this id, so that no other process replays it meanwhile."""
    row = connection.execute(
        select(rejected).where(rejected.c.request_id == request_id).with_for_update()
    ).one_or_none()
    return None if row is None else _request(row)


def record_replay(connection: Connection, request_id: UUID, *, actor: str, now: datetime) -> None:
    """Note who sent it again, and when."""
    replayed = {"replayed_at": now, "replayed_by": actor}
    connection.execute(update(rejected).where(rejected.c.request_id == request_id).values(replayed))


def _request(row: Row[tuple[object, ...]]) -> RejectedRequest:
    return RejectedRequest(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row's mapping


def _identities(request_id: UUID, task: str, arguments: object) -> tuple[UUID, UUID]:
    """The id under which a request is stored: its own or, if another request has that, one made of its content."""
    return request_id, uuid5(request_id, json.dumps([task, arguments], sort_keys=True))
