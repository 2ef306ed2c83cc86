"""`payment-worker show`: print a payment and its timeline."""

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
            help="A payment's, a refund's, an order's, Stripe's (pi_, ch_, re_, dp_, evt_), or a rejected request's.",
        ),
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Show a payment's whole story, from any id: what was asked, heard, recorded and published, why and by whom."""
    from payment_worker.cli.views import timeline

    raise typer.Exit(0 if timeline.show(identity, as_json=as_json) else 1)
