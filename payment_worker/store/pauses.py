"""Rows of `pause`: which requests to Stripe are paused, and by whom. `operator_action` keeps every change."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.postgresql import insert

from payment_worker.store import operator_actions, tables
from payment_worker.store.operator_actions import ActionKind

ALL: Final = "all"
"""The kind that pauses every action."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause that stands."""

    kind: str
    """`all`, or an action."""
    reason: str | None
    paused_by: str
    paused_at: datetime


def standing(connection: Connection) -> Sequence[Pause]:
    """All that stand, the oldest first."""
    query = select(*(tables.pause.c[name] for name in Pause.__slots__)).order_by(tables.pause.c.paused_at)
    return [Pause(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - SQLAlchemy's public name


def stands(connection: Connection, action: str) -> bool:
    """Whether an action is paused. If it is, the pause cannot end before this transaction does."""
    query = (
        select(tables.pause.c.kind).where(tables.pause.c.kind.in_((ALL, action))).with_for_update(read=True)
    )
    return connection.execute(query).first() is not None


def begin(connection: Connection, pause: Pause) -> bool:
    """Begin a pause; whether there was none of this kind."""
    values = {name: getattr(pause, name) for name in Pause.__slots__}
    begun = connection.execute(
        insert(tables.pause).values(**values).on_conflict_do_nothing().returning(tables.pause.c.kind)
    ).first()
    if begun is None:
        return False
    operator_actions.record(
        connection,
        ActionKind.PAUSED,
        [pause.kind],
        reason=pause.reason,
        actor=pause.paused_by,
        now=pause.paused_at,
    )
    return True


def end(
    connection: Connection, kinds: Collection[str], *, reason: str | None, actor: str, now: datetime
) -> Sequence[str]:
    """End these pauses, or every one if none is named.

    Returns:
        The kinds of those that stood.
    """
    statement = delete(tables.pause).returning(tables.pause.c.kind)
    if kinds:
        statement = statement.where(tables.pause.c.kind.in_(kinds))
    ended_kinds = sorted(connection.execute(statement).scalars())
    operator_actions.record(connection, ActionKind.RESUMED, ended_kinds, reason=reason, actor=actor, now=now)
    return ended_kinds
