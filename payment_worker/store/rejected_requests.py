"""Rows of `rejected_request`: what could not be accepted, and why."""

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid5

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from payment_worker.store import tables


def keep(
    connection: Connection,
    *,
    request_id: UUID,
    task: str,
    arguments: object,
    errors: Sequence[object],
    now: datetime,
) -> None:
    """Keep a rejected request; the same message delivered again is kept once.

    Another request may come under the same id, from an app that names its messages after its orders. The first keeps
    the id; each other has one that is made of what it asks for, and so is the same at each delivery.
    """
    table = tables.rejected_request
    same = (table.c.task == task) & (table.c.arguments == arguments)
    for identity in _identities(request_id, task, arguments):
        connection.execute(
            insert(table)
            .values(request_id=identity, task=task, arguments=arguments, errors=list(errors), received_at=now)
            .on_conflict_do_nothing()
        )
        if connection.scalar(select(same).where(table.c.request_id == identity)):
            return


def first_code(connection: Connection, *, request_id: UUID, task: str, arguments: object) -> str | None:
    """Why this request was rejected, if it was: the code of its first error."""
    table = tables.rejected_request
    same = (table.c.task == task) & (table.c.arguments == arguments)
    query = select(table.c.errors[0]["code"].astext).where(
        table.c.request_id.in_(_identities(request_id, task, arguments)), same
    )
    return connection.scalar(query)


def _identities(request_id: UUID, task: str, arguments: object) -> tuple[UUID, UUID]:
    """The id under which a request is kept: its own, or else, where another request has that, one made of it."""
    return request_id, uuid5(request_id, json.dumps([task, arguments], sort_keys=True))
