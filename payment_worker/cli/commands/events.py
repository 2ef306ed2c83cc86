"""`payment-worker events`: list, replay and discard events of the inbox."""

from typing import Annotated, Literal

import typer

from payment_worker.cli.commands.enqueue import AsJson

events = typer.Typer(
    name="events", help="Stripe events in the inbox: list, replay or discard them.", no_args_is_help=True
)
Type = Annotated[
    str | None, typer.Option("--type", help="Only events of this type, such as `payment_intent.succeeded`.")
]


def _given_reason(reason: str) -> str:
    if not reason.strip():
        raise typer.BadParameter("say why", param_hint="--reason")
    return reason.strip()


Reason = Annotated[str, typer.Option(help="Why; stored with your name and the time.", callback=_given_reason)]
Status = Literal["received", "processed", "ignored", "parked"]


@events.command("list")
def list_events(
    *,
    status: Annotated[
        Status | None, typer.Option(help="received, processed, ignored or parked.", case_sensitive=False)
    ] = None,
    type_: Type = None,
    limit: Annotated[int, typer.Option(help="Show at most this many, newest first.", min=1, max=10_000)] = 20,
    as_json: AsJson = False,
) -> None:
    """List the newest events with their status, number of tries, result and age."""
    from payment_worker.cli.views import inbox

    inbox.show(status=status.upper() if status else None, type_=type_, limit=limit, as_json=as_json)


@events.command()
def replay(
    event_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[EVENT_ID]...", help="Events of any status.")
    ] = None,
    *,
    parked: Annotated[bool, typer.Option("--parked", help="All parked events.")] = False,
    type_: Type = None,
    as_json: AsJson = False,
) -> None:
    """Process events again: the next sweep enqueues them. Processing one twice is harmless."""
    from payment_worker.cli.views import inbox

    if bool(event_ids) is parked:
        raise typer.BadParameter("name events, or say --parked", param_hint="EVENT_ID")
    missing = inbox.replay(event_ids or None, type_=type_, as_json=as_json)
    raise typer.Exit(1 if missing else 0)


@events.command()
def discard(
    event_ids: Annotated[
        list[str], typer.Argument(metavar="EVENT_ID...", help="Events that are received or parked.")
    ],
    *,
    reason: Reason,
) -> None:
    """Mark events as ignored. Your name and the reason are stored; `events replay` undoes it."""
    from payment_worker.cli.views import inbox

    missing = inbox.discard(event_ids, reason=reason)
    raise typer.Exit(1 if missing else 0)
