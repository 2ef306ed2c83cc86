"""Prints inbox events, and returns them to the inbox for another run."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.markup import escape
from rich.table import Table

from payment_worker.cli.database import now, operator, records
from payment_worker.cli.views.printing import complain, console, is_narrow, print_json, stacked, table
from payment_worker.flows.events.result import sentence
from payment_worker.flows.operator_decisions import discard_events, replay_events
from payment_worker.store.events import event_list
from payment_worker.store.events.event_list import Listed
from payment_worker.telemetry.formats import duration


def show(*, status: str | None, type_: str | None, limit: int, as_json: bool) -> None:
    """Print the newest events."""
    with records() as connection:
        events = event_list.newest(connection, status=status, type_=type_, limit=limit)
    if as_json:
        print_json(events)
    else:
        console().print(listed(events, now=now()) if events else "No such events.")


def listed(events: Sequence[Listed], *, now: datetime) -> Table:
    """Events as a table, or as a list where the screen has no room for one."""
    if is_narrow():
        return stacked(_narrow(events, now))
    grid = table("Event", "Type", "Status", "Tries", "Outcome", "Age")
    for event in events:
        age = duration(now - event.received_at)
        grid.add_row(
            escape(event.event_id),
            escape(event.type),
            event.status,
            str(event.tries),
            escape(sentence(event.outcome)),
            age,
        )
    return grid


def _narrow(events: Sequence[Listed], now: datetime) -> Iterator[tuple[str, str, str]]:
    for event in events:
        age, tries = duration(now - event.received_at), f"tries: {event.tries}"
        details = " · ".join(text for text in (tries, sentence(event.outcome)) if text)
        yield f"{age} ago", escape(f"{event.event_id}  {event.status}\n{event.type}"), escape(details)


def replay(event_ids: Sequence[str] | None, *, type_: str | None, as_json: bool) -> Sequence[str]:
    """Make these events due, or all that are parked; those that there are not."""
    with records() as connection:
        replayed = replay_events(connection, event_ids, type_=type_, actor=operator(), now=now())
    missing = sorted(set(event_ids or ()) - set(replayed))
    if as_json:
        print_json({"due": sorted(replayed), "missing": missing})
        return missing
    subject, pronoun = ("event is", "it") if len(replayed) == 1 else ("events are", "them")
    console().print(f"{len(replayed)} {subject} due; the next sweep takes {pronoun}.")
    for event_id in missing:
        complain(f"No such event: {event_id}")
    return missing


def discard(event_ids: Sequence[str], *, reason: str) -> Sequence[str]:
    """Set these events aside; those that are not there, or are over."""
    with records() as connection:
        discarded = discard_events(connection, event_ids, reason=reason, actor=operator(), now=now())
    missing = sorted(set(event_ids) - set(discarded))
    console().print(f"{len(discarded)} set aside.")
    for event_id in missing:
        complain(f"No such event that waits or is parked: {event_id}")
    return missing
