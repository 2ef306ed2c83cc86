"""Prints a payment's current state and its timeline."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from payment_worker.cli.database import now, records
from payment_worker.cli.views.inbox import listed
from payment_worker.cli.views.printing import (
    complain,
    console,
    is_narrow,
    print_json,
    print_json_line,
    stacked,
    table,
)
from payment_worker.cli.views.rejected import MOST, print_each
from payment_worker.domain.uuids import as_uuid
from payment_worker.flows.timeline import Line, Story, records_of, story_of
from payment_worker.store import rejected_requests
from payment_worker.store.connection.database import Connection
from payment_worker.store.events import event_list
from payment_worker.store.queries import timeline
from payment_worker.telemetry.formats import instant, money

EVENT: Final = "evt_"

_STYLES: Final[Mapping[str, str]] = {
    "payment": "bold",
    "refund": "bold",
    "dispute": "bold red",
    "warning": "bold red",
    "finding": "bold yellow",
    "attempt": "cyan",
    "event": "magenta",
    "message": "dim",
}
_SHOWN: Final = (
    "stripe_payment_intent_id",
    "stripe_charge_id",
    "stripe_refund_id",
    "stripe_dispute_id",
    "stripe_early_fraud_warning_id",
    "event_id",
    "stripe_request_id",
    "failure_reason",
    "decline_code",
)
"""What of an entry's details stands beside it; the rest is in the JSON."""
_UUID: Final = re.compile(r"\b([0-9a-f]{8})(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
"""Whole in the JSON; on the screen its beginning tells one from another."""


def export(identity: str) -> bool:
    """Print every row of a payment's history as a line of JSON; whether there is such a payment."""
    with records() as connection:
        payment_id = _payment_of(connection, identity)
        if payment_id is None:
            complain(f"Not found: {identity}.")
            return False
        for kind, row in records_of(connection, payment_id):
            print_json_line({"record": kind, **row})
    return True


def show(identity: str, *, as_json: bool) -> bool:
    """Print what there is about this id; whether there is anything."""
    with records() as connection:
        rejected = rejected_requests.carrying(connection, identity, limit=MOST)
        payment_id = _payment_of(connection, identity)
        story = story_of(connection, payment_id) if payment_id else None
        events = [] if story else event_list.about(connection, object_ids=[], event_ids=[identity])
    if story is None and not events and not rejected:
        complain(f"Not found: {identity}.")
        if as_json:
            print_json(None)
        return False
    if as_json:
        output = asdict(story) if story else {"events": events}
        print_json({**output, "rejected_requests": rejected})
        return True
    if story:
        _print(story)
    elif events:
        console().print("This event is about no payment of ours.\n")
        console().print(listed(events, now=now()))
    print_each(rejected)
    return True


def _payment_of(connection: Connection, identity: str) -> UUID | None:
    if identity.startswith(EVENT):
        return timeline.payment_of_event(connection, identity)
    return timeline.payment_of(connection, as_uuid(identity) or identity)


def _print(story: Story) -> None:
    screen, payment = console(), story.payment
    amount = money(payment["amount"], payment["currency"])
    screen.print(f"[bold]Payment {payment['payment_id']}[/]  {amount}  [bold]{payment['status']}[/]")
    refunds = (f"refund {refund['refund_id']}  {_refund(refund)}" for refund in story.refunds)
    for line in [*map(escape, _lines(payment)), *refunds]:
        screen.print(Padding.indent(line, 2))
    screen.print()
    screen.print(stacked(_narrow(story.entries)) if is_narrow() else _wide(story.entries))


def _wide(entries: Iterable[Line]) -> Table:
    grid = table("When (UTC)", "", "What", "Why", "Who")
    for entry in entries:
        details, at = _details(entry), instant(entry.at)
        description = f"{entry.what} ({details})" if details else entry.what
        texts = map(escape, (_kind(entry), description, _short(entry.cause), _short(entry.actor)))
        grid.add_row(f"due {at}" if entry.is_ahead else at, *texts, style=_STYLES[entry.kind])
    return grid


def _narrow(entries: Iterable[Line]) -> Iterator[tuple[str, str, str]]:
    today = ""
    for entry in entries:
        day, _, at = instant(entry.at).partition(" ")
        if day != today:
            yield f"[bold]{day} UTC[/]", "", ""
        today, style = day, _STYLES[entry.kind]
        causes = " · ".join(_short(text) for text in (entry.cause, entry.actor) if text)
        details = "\n".join(text for text in (causes, _details(entry)) if text)
        line = f"[{style}]{escape(f'{_kind(entry)}  {entry.what}')}[/]"
        yield f"due {at}" if entry.is_ahead else at, line, escape(details)


def _lines(payment: Mapping[str, Any]) -> list[str]:
    currency = payment["currency"]
    refundable = payment["amount_captured"] - payment["amount_refund_reserved"]
    amounts = {
        "authorised": payment["amount_authorized"],
        "captured": payment["amount_captured"],
        "refunded": payment["amount_refunded"],
        "still refundable": refundable,
    }
    reasons = [payment["failure_reason"], payment["decline_code"]]
    stripe_ids = [payment["stripe_payment_intent_id"], payment["stripe_charge_id"], payment["stripe_account"]]
    lines = [
        ", ".join(f"{name} {money(each, currency)}" for name, each in amounts.items() if each),
        ", ".join(each for each in reasons if each),
        "disputed: nothing can be refunded" if payment["is_disputed"] else "",
        f"order {payment['order_id']}",
        "Stripe " + ", ".join(each for each in stripe_ids if each) if any(stripe_ids) else "",
    ]
    return [line for line in lines if line]


def _refund(refund: Mapping[str, Any]) -> str:
    parts = [
        money(refund["amount"], refund["currency"]),
        refund["status"],
        refund["failure_reason"],
        refund["stripe_refund_id"],
        f"asked for by {refund['requested_by']}" if refund["requested_by"] else None,
    ]
    return escape("  ".join(part for part in parts if part))


def _kind(entry: Line) -> str:
    refund = entry.ids.get("refund_id", "")[:8] if entry.kind == "refund" else ""
    return f"{entry.kind} {refund}".strip()


def _details(entry: Line) -> str:
    return ", ".join(entry.ids[name] for name in _SHOWN if name in entry.ids)


def _short(text: str) -> str:
    return _UUID.sub(r"\1…", text)
