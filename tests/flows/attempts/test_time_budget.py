"""A charge that succeeds at once costs two statements, each a transaction of its own; an event three commits."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from payment_worker.flows.events.inbox import claim_new, process_together, receive_all
from payment_worker.store.connection import watchdog
from tests.flows.scene import Scene


@dataclass
class Spent:
    """What one piece of work asked of PostgreSQL."""

    statements: list[str] = field(default_factory=list)
    commits: int = 0
    """Of transactions that began with BEGIN."""


@contextmanager
def counting() -> Iterator[Spent]:
    """All that goes through the driver meanwhile."""
    spent = Spent()
    execute, commit = watchdog.Cursor.execute, watchdog.Connection.commit

    def counted_execute(cursor: watchdog.Cursor, *statement: Any) -> None:  # noqa: ANN401 - the driver's own
        spent.statements.append(statement[0])
        execute(cursor, *statement)

    def counted_commit(connection: watchdog.Connection) -> None:
        spent.commits += 1
        commit(connection)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watchdog.Cursor, "execute", counted_execute)
        patch.setattr(watchdog.Connection, "commit", counted_commit)
        yield spent


def test_a_charge_that_succeeds_at_once(scene: Scene) -> None:
    scene.charge()  # what is only done once in a process is not counted
    with counting() as spent:
        scene.charge()
    assert spent.commits == 0
    assert len(spent.statements) == 2, spent.statements


def test_an_event_that_says_how_a_payment_ended(scene: Scene) -> None:
    scene.charge()
    events = scene.events(types=["payment_intent.succeeded"])
    assert events
    with counting() as spent:
        receive_all(scene.context.database, events, source="webhook", clock=scene.context.clock)
        assert not process_together(scene.context, claim_new(scene.context))
    # It is stored; it is claimed; it is applied and ended together.
    assert spent.commits <= 3, spent.statements
