"""Claims rows that are due, so that no other sweep gets them before another time."""

from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, select, update
from sqlalchemy.sql.dml import ReturningUpdate

T = TypeVar("T")


def claim_rows(
    key: Column[T],
    due_at: Column[Any],
    *conditions: ColumnElement[bool],
    now: datetime,
    until: datetime,
    limit: int,
) -> ReturningUpdate[tuple[T]]:
    """The update that claims due rows, oldest first, and returns their keys."""
    due = (
        select(key)
        .where(due_at <= now, *conditions)
        .order_by(due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    return update(key.table).where(key.in_(due)).values({due_at.name: until}).returning(key)
