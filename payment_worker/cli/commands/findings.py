"""`payment-worker findings`: list and close reconciliation findings."""

from typing import Annotated

import typer

from payment_worker.cli.commands.enqueue import AsJson
from payment_worker.cli.commands.events import Reason
from payment_worker.cli.commands.reconcile import Which

findings = typer.Typer(
    name="findings", help="Findings of reconciliation: list them, or close them.", no_args_is_help=True
)


@findings.command("list")
def list_findings(
    *,
    show: Annotated[Which, typer.Option(help="Which findings to list.")] = "open",
    limit: Annotated[
        int, typer.Option(help="Show at most this many, newest first.", min=1, max=100_000)
    ] = 100,
    as_json: AsJson = False,
) -> None:
    """List findings with their ids."""
    from payment_worker.cli.views import findings as view

    view.show(which=show, limit=limit, as_json=as_json)


@findings.command()
def close(
    finding_id: Annotated[
        int, typer.Argument(metavar="ID", help="As `findings list` shows it.", min=1, max=2**63 - 1)
    ],
    *,
    reason: Reason,
) -> None:
    """Close a finding that you have dealt with. It reopens if the same difference is found again."""
    from payment_worker.cli.views import findings as view

    raise typer.Exit(0 if view.close(finding_id, reason=reason) else 1)
