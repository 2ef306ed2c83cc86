"""`payment-worker show`: print a payment and its timeline."""

from typing import Annotated

import typer

from payment_worker.cli.commands.enqueue import AsJson


def show(
    identity: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="Id of a payment, refund, order, Stripe object (pi_, ch_, re_, dp_, evt_) or rejected request.",
        ),
    ],
    *,
    as_json: AsJson = False,
    as_lines: Annotated[
        bool,
        typer.Option("--jsonl", help="Print every row of its history as a line of JSON, for an audit."),
    ] = False,
) -> None:
    """Show a payment and its timeline, found by any id: every request, response, event, change and message."""
    from payment_worker.cli.views import timeline

    if as_lines:
        raise typer.Exit(0 if timeline.export(identity) else 1)
    raise typer.Exit(0 if timeline.show(identity, as_json=as_json) else 1)
