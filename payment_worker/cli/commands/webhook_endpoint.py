"""`payment-worker webhook-endpoint`: compare or create the account's webhook endpoint."""

from typing import Annotated

import typer

from payment_worker.cli.commands.enqueue import Account, AsJson

endpoint = typer.Typer(
    name="webhook-endpoint",
    help="The webhook endpoint at Stripe: check it, or create it.",
    no_args_is_help=True,
)


@endpoint.command()
def check(
    *,
    url: Annotated[
        str | None, typer.Option(help="Its address; every one that ends in /webhooks/stripe if not given.")
    ] = None,
    account: Account = None,
    as_json: AsJson = False,
) -> None:
    """Compare the endpoint with the events and the API version that the worker uses."""
    from payment_worker.cli.views import webhook_endpoint as view

    raise typer.Exit(0 if view.check(url, account=account or "", as_json=as_json) else 1)


@endpoint.command()
def create(
    url: Annotated[str, typer.Argument(help="Where Stripe reaches the receiver: https://…/webhooks/stripe.")],
    *,
    connect: Annotated[
        bool, typer.Option("--connect", help="For the events of connected accounts, not of our own.")
    ] = False,
    account: Account = None,
) -> None:
    """Create an endpoint with exactly the events and the API version that the worker uses, and print its secret."""
    from payment_worker.cli.views import webhook_endpoint as view

    raise typer.Exit(0 if view.create(url, account=account or "", is_for_connected=connect) else 1)
