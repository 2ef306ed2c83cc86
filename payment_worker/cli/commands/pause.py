"""`payment-worker pause` and `resume`: stop requests to Stripe, all or of one kind, and start them again."""

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from payment_worker.cli.commands.enqueue import AsJson

if TYPE_CHECKING:
    from payment_worker.store.connection.database import Database


def pause(
    *,
    kind: Annotated[str, typer.Option(help="`all`, or one kind of request: charge, refund, …")] = "all",
    reason: Annotated[str | None, typer.Option(help="Why; stored with the pause.")] = None,
    as_json: AsJson = False,
) -> None:
    """Stop sending requests to Stripe, all or one kind. Every worker follows within two seconds.

    New requests are still accepted and stored, and unknown outcomes are still looked up. `resume` ends the pause.
    """
    from payment_worker.cli.database import operator
    from payment_worker.cli.views.printing import print_json, say
    from payment_worker.flows import pauses
    from payment_worker.telemetry.formats import instant

    pause_kind = _kind(kind)
    with _database() as database:
        active, is_new = pauses.pause(
            database, pause_kind, reason=reason, actor=operator(), now=database.now()
        )
    if as_json:
        print_json({"paused": active, "is_new": is_new})
        return
    since = "" if is_new else f" already, since {instant(active.paused_at)}"
    reason = f": {active.reason}" if active.reason else ""
    say(f"Paused {active.kind}{since}, by {active.paused_by}{reason}\nEnd it with: payment-worker resume")


def resume(
    *,
    kind: Annotated[
        str | None, typer.Option(help="The pause to end, `all` or one kind; every pause if not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """End pauses. Requests that waited are due at once; the next sweep enqueues them."""
    from payment_worker.cli.database import operator
    from payment_worker.cli.views.printing import print_json
    from payment_worker.flows import pauses

    kinds = [] if kind is None else [_kind(kind)]
    with _database() as database:
        resumed = pauses.resume(database, kinds, actor=operator(), now=database.now())
    if as_json:
        print_json(resumed)
        return
    typer.echo(f"Resumed {', '.join(resumed.ended)}." if resumed.ended else "Nothing was paused.")
    if resumed.due:
        typer.echo(f"Waiting requests that are due now: {resumed.due}.")
    if resumed.still:
        typer.echo(f"Still paused: {', '.join(resumed.still)}.")


def _database() -> "closing[Database]":
    from payment_worker import bootstrap
    from payment_worker.settings import Settings

    # Neither Redis nor a key of Stripe's is needed: to pause must be possible whatever else is wrong.
    return closing(bootstrap.database(Settings.from_environment(needed_by=("database",)), connections=1))


def _kind(name: str) -> str:
    from payment_worker.flows.pauses import KINDS

    if name.lower() not in KINDS:
        raise typer.BadParameter(f"must be one of {', '.join(KINDS)}", param_hint="--kind")
    return name.lower()
