"""Rows of `beat_schedule`: when beat last enqueued each periodic task."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, text

SLACK: Final = 0.9
"""The share of an interval after which a task is due: two beats never check at the same instant."""

_CLAIM: Final = text("""
WITH claimed AS (
    INSERT INTO beat_schedule (name, last_run_at) VALUES (:name, now())
    ON CONFLICT (name) DO UPDATE SET last_run_at = now()
    WHERE beat_schedule.last_run_at <= now() - :due_after OR beat_schedule.last_run_at > now()
    RETURNING name
)
SELECT EXISTS (SELECT FROM claimed), now() - (SELECT last_run_at FROM beat_schedule WHERE name = :name)
""")


@dataclass(frozen=True, slots=True)
class Claim:
    """Whether a task is ours to enqueue now."""

    is_ours: bool
    since: timedelta | None
    """How long ago it was enqueued before this; negative where PostgreSQL's clock was set back, None for the first."""


def claim(connection: Connection, name: str, *, every: timedelta) -> Claim:
    """Note that a task is enqueued now, unless that was done within its interval. PostgreSQL's clock decides.

    A time that lies ahead, from before a clock was set back, counts as none.
    """
    row = connection.execute(_CLAIM, {"name": name, "due_after": every * SLACK}).one()
    return Claim(bool(row[0]), row[1])
