"""Claims due rows until a given time, so that no other sweep gets them before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Update, select, update


@dataclass(frozen=True, slots=True)
class DueRows:
    """Rows of a table that need work by themselves at a time."""

    key: Column[Any]
    due_at: Column[Any]
    conditions: tuple[ColumnElement[bool], ...] = ()


def claim_rows(
    connection: Connection, rows: DueRows, *, now: datetime, until: datetime, limit: int
) -> Sequence[Any]:
    """The keys of rows that are due, oldest first; no other sweep gets them before `until`."""
    claim = claim_of(rows, now=now, until=until, limit=limit)
    return connection.scalars(claim.returning(rows.key)).all()


def claim_of(rows: DueRows, *, now: datetime, until: datetime, limit: int) -> Update:
    """The update that claims them."""
    due_keys = (
        select(rows.key)
        .where(rows.due_at <= now, *rows.conditions)
        .order_by(rows.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    return update(rows.key.table).where(rows.key.in_(due_keys)).values({rows.due_at.name: until})
