"""A charge that succeeds at once costs two commits and seven statements at the most, an event two commits."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import event

from payment_worker.flows.events.inbox import claim_new, process_together, receive_all
from payment_worker.store.connection.database import Database
from tests.flows.scene import Scene


@dataclass
class Spent:
    """What one piece of work asked of PostgreSQL. BEGIN and COMMIT are statements, too."""

    statements: list[str] = field(default_factory=list)
    commits: int = 0


@contextmanager
def counting(database: Database) -> Iterator[Spent]:
    spent = Spent()

    def began(*_: object) -> None:
        spent.statements.append("BEGIN")

    def executed(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        spent.statements.append(statement)

    def committed(*_: object) -> None:
        spent.statements.append("COMMIT")
        spent.commits += 1

    listeners = (("begin", began), ("before_cursor_execute", executed), ("commit", committed))
    for name, listener in listeners:
        event.listen(database.engine, name, listener)
    try:
        yield spent
    finally:
        for name, listener in listeners:
            event.remove(database.engine, name, listener)


def test_a_charge_that_succeeds_at_once(scene: Scene) -> None:
    scene.charge()  # what is only done once in a process is not counted
    with counting(scene.context.database) as spent:
        scene.charge()
    assert spent.commits <= 2
    assert len(spent.statements) <= 7, spent.statements


def test_an_event_that_says_how_a_payment_ended(scene: Scene) -> None:
    scene.charge()
    events = scene.events(types=["payment_intent.succeeded"])
    assert events
    with counting(scene.context.database) as spent:
        receive_all(scene.context.database, events, source="webhook", clock=scene.context.clock)
        assert not process_together(scene.context, claim_new(scene.context))
    # It is stored; it is claimed; it is applied and ended together.
    assert spent.commits <= 3, spent.statements
