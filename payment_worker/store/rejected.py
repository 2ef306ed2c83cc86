"""Rows of `rejected_request`: what could not be accepted, and why."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

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
    """Keep a rejected request; the same message delivered again is kept once."""
    connection.execute(
        insert(tables.rejected_request)
        .values(request_id=request_id, task=task, arguments=arguments, errors=list(errors), received_at=now)
        .on_conflict_do_nothing()
    )


def first_code(connection: Connection, request_id: UUID) -> str | None:
    """Why this request was rejected, if it was: the code of its first error."""
    table = tables.rejected_request
    return connection.scalar(select(table.c.errors[0]["code"].astext).where(table.c.request_id == request_id))
