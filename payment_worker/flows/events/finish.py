"""Finishes many events with one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from payment_worker.flows.context import Context
from payment_worker.flows.events.result import Ignored, Processed
from payment_worker.store.connection.database import Connection
from payment_worker.store.events import inbox
from payment_worker.store.events.inbox import Ended, EventStatus, InboxEvent


@dataclass(frozen=True, slots=True)
class Finished:
    """An event that is finished, with its result and the payment that it is about."""

    event: InboxEvent
    result: Processed | Ignored
    payment_id: UUID | None = None


def finished_as(result: Processed | Ignored) -> EventStatus:
    """The status of an event with this result."""
    return EventStatus.PROCESSED if isinstance(result, Processed) else EventStatus.IGNORED


def finish(context: Context, connection: Connection, finished: Sequence[Finished]) -> None:
    """Write the ends of these events."""
    if finished:
        ended = [Ended(each.event, finished_as(each.result), each.result.reason) for each in finished]
        inbox.finish(connection, ended, now=context.clock())
