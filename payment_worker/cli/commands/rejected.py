"""`payment-worker requests rejected`: list rejected requests and enqueue one again."""

from typing import Annotated

import typer

from payment_worker.cli.commands.enqueue import AsJson

requests = typer.Typer(help="What apps asked for.", no_args_is_help=True)
rejected = typer.Typer(help="Requests that were rejected: read why, or send one again.", no_args_is_help=True)
requests.add_typer(rejected, name="rejected")

Id = Annotated[str, typer.Argument(metavar="ID", help="The request's, as `list` shows it.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(requests, name="requests")


@rejected.command("list")
def list_rejected(
    *,
    task: Annotated[
        str | None, typer.Option(help="Only of this task, `payment_worker.charge` for one.")
    ] = None,
    limit: Annotated[int, typer.Option(help="The newest so many.", min=1, max=10_000)] = 20,
    as_json: AsJson = False,
) -> None:
    """List the newest rejected requests with their faults."""
    from payment_worker.cli.views import rejected as view

    view.list_newest(task=task, limit=limit, as_json=as_json)


@rejected.command()
def show(
    identity: Annotated[
        str, typer.Argument(metavar="ID", help="Any id that the request carried, or its own.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Show rejected requests with their faults, and the call that would have been right."""
    from payment_worker.cli.views import rejected as view

    raise typer.Exit(0 if view.show(identity, as_json=as_json) else 1)


@rejected.command()
def replay(identity: Id, *, as_json: AsJson = False) -> None:
    """Send a rejected request again as it came, once: for one that was rejected by a mistake that is corrected now."""
    from payment_worker.cli.views import rejected as view

    raise typer.Exit(0 if view.replay(identity, as_json=as_json) else 1)
