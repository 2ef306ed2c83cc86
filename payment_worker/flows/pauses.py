"""Checks whether a kind of request is paused; paused requests are recorded but not sent to Stripe."""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from payment_worker.domain.attempts.attempt import Action
from payment_worker.store import pauses
from payment_worker.store.connection.database import Database
from payment_worker.store.pauses import ALL, Pause
from payment_worker.store.records import attempts, refunds
from payment_worker.telemetry import logger

log = logger(__name__)

KINDS: Final = (ALL, *Action)
"""What can be paused."""

READ_EVERY_SECONDS: Final = 2.0
"""How long after `pause` a process may still begin a call."""


class Pauses:
    """The current pauses, read from the database now and then. Thread-safe."""

    def __init__(self, database: Database, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._seconds = seconds
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._standing: Mapping[str, Pause] = {}

    def hold(self, action: Action) -> bool:
        """Whether requests of this action are paused.

        Raises:
            DatabaseUnavailableError: it cannot be known, so nothing is sent.
        """
        now = self._seconds()
        with self._lock:
            if self._read_at is None or now - self._read_at >= READ_EVERY_SECONDS:
                self._read()
                self._read_at = now
            return ALL in self._standing or action in self._standing

    def _read(self) -> None:
        with self._database.begin() as connection:
            active = {pause.kind: pause for pause in pauses.standing(connection)}
        for kind in active.keys() - self._standing.keys():
            new_pause = active[kind]
            log.warning("paused", kind=kind, reason=new_pause.reason, paused_by=new_pause.paused_by)
        for kind in self._standing.keys() - active.keys():
            log.warning("resumed by an operator", kind=kind)
        self._standing = active


@dataclass(frozen=True, slots=True)
class Resumed:
    """The result of ending pauses."""

    ended: Sequence[str]
    """The kinds of those that stood."""
    due: int
    """Attempts that waited for it and are due now."""
    still: Sequence[str]
    """The kinds of those that stand on."""


def pause(
    database: Database, kind: str, *, reason: str | None, actor: str, now: datetime
) -> tuple[Pause, bool]:
    """Pause a kind of work.

    Returns:
        The pause that stands now, and whether it is new.
    """
    new_pause = Pause(kind, reason, actor, now)
    with database.begin() as connection:
        is_new = pauses.begin(connection, new_pause)
        (active,) = [each for each in pauses.standing(connection) if each.kind == kind] or [new_pause]
    return active, is_new


def resume(
    database: Database, kinds: Collection[str], *, reason: str | None = None, actor: str, now: datetime
) -> Resumed:
    """End these pauses, or all if none is named, and make the waiting requests due.

    In two transactions: requests that are rescheduled while the first waits for its lock are found by the second.
    """
    with database.begin() as connection:
        ended_kinds = pauses.end(connection, kinds, reason=reason, actor=actor, now=now)
    with database.begin() as connection:
        still_paused = [each.kind for each in pauses.standing(connection)]
        resumed_actions = (
            [] if ALL in still_paused else [action for action in Action if action not in still_paused]
        )
        due_count = attempts.end_pause(connection, actions=resumed_actions, now=now)
        if Action.REFUND in resumed_actions:
            refunds.wake(connection, now=now)
    return Resumed(ended_kinds, due_count, still_paused)
