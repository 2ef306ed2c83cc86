"""The command that tells what happened to a payment."""

from typing import Annotated

import typer

from payment_worker.cli.commands.enqueue import AsJson


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(show)


def show(
    identity: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="A payment's or a refund's, Stripe's (pi_, ch_, re_, dp_, evt_), or a rejected request's.",
        ),
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Show a payment's whole story, from any id: what was asked, heard, recorded and published, why and by whom."""
    from payment_worker.cli.views import timeline

    try:
        found = timeline.show(identity, as_json=as_json)
    except timeline.NoIdError:
        accepted = f"a UUID, or an id of Stripe's that begins with {', '.join(timeline.KINDS)}"
        raise typer.BadParameter(f"must be {accepted}", param_hint="ID") from None
    raise typer.Exit(0 if found else 1)
