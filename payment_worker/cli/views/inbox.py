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
        found = event_list.newest(connection, status=status, type_=type_, limit=limit)
    if as_json:
        print_json(found)
    else:
        console().print(listed(found, now=now()) if found else "No such events.")


def listed(found: Sequence[Listed], *, now: datetime) -> Table:
    """Events as a table, or as a list where the screen has no room for one."""
    if is_narrow():
        return stacked(_narrow(found, now))
    shown = table("Event", "Type", "Status", "Tries", "Outcome", "Age")
    for event in found:
        age = duration(now - event.received_at)
        shown.add_row(
            escape(event.event_id),
            escape(event.type),
            event.status,
            str(event.tries),
            escape(sentence(event.outcome)),
            age,
        )
    return shown


def _narrow(found: Sequence[Listed], now: datetime) -> Iterator[tuple[str, str, str]]:
    for event in found:
        age, tries = duration(now - event.received_at), f"tries: {event.tries}"
        beneath = " · ".join(text for text in (tries, sentence(event.outcome)) if text)
        yield f"{age} ago", escape(f"{event.event_id}  {event.status}\n{event.type}"), escape(beneath)


def replay(event_ids: Sequence[str] | None, *, type_: str | None, as_json: bool) -> Sequence[str]:
    """Make these events due, or all that are parked; those that there are not."""
    with records() as connection:
        due = replay_events(connection, event_ids, type_=type_, actor=operator(), now=now())
    missing = sorted(set(event_ids or ()) - set(due))
    if as_json:
        print_json({"due": sorted(due), "missing": missing})
        return missing
    are, them = ("event is", "it") if len(due) == 1 else ("events are", "them")
    console().print(f"{len(due)} {are} due; the next sweep takes {them}.")
    for event_id in missing:
        complain(f"No such event: {event_id}")
    return missing


def discard(event_ids: Sequence[str], *, reason: str) -> Sequence[str]:
    """Set these events aside; those that are not there, or are over."""
    with records() as connection:
        done = discard_events(connection, event_ids, reason=reason, actor=operator(), now=now())
    missing = sorted(set(event_ids) - set(done))
    console().print(f"{len(done)} set aside.")
    for event_id in missing:
        complain(f"No such event that waits or is parked: {event_id}")
    return missing
