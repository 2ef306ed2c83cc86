"""`payment-worker requests rejected`: list rejected requests and enqueue one again."""

from typing import Annotated

import typer

from payment_worker.cli.commands.enqueue import AsJson

requests = typer.Typer(name="requests", help="Requests of other apps.", no_args_is_help=True)
rejected = typer.Typer(help="Rejected requests: list, show or replay them.", no_args_is_help=True)
requests.add_typer(rejected, name="rejected")

Id = Annotated[str, typer.Argument(metavar="ID", help="The request's id, as `list` shows it.")]


@rejected.command("list")
def list_rejected(
    *,
    task: Annotated[
        str | None, typer.Option(help="Only requests of this task, such as `payment_worker.charge`.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Show at most this many, newest first.", min=1, max=10_000)] = 20,
    as_json: AsJson = False,
) -> None:
    """List the newest rejected requests with their errors."""
    from payment_worker.cli.views import rejected as view

    view.list_newest(task=task, limit=limit, as_json=as_json)


@rejected.command()
def show(
    identity: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="Any id in the request's arguments, or the id of the rejected request."
        ),
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Show rejected requests with their errors and the corrected call."""
    from payment_worker.cli.views import rejected as view

    raise typer.Exit(0 if view.show(identity, as_json=as_json) else 1)


@rejected.command()
def replay(identity: Id, *, as_json: AsJson = False) -> None:
    """Enqueue a rejected request again with the same arguments, once the cause of the rejection is fixed."""
    from payment_worker.cli.views import rejected as view

    raise typer.Exit(0 if view.replay(identity, as_json=as_json) else 1)
