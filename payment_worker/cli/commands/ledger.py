"""`payment-worker ledger`, `balance` and `payouts`: import and compare the balance, list payouts, export a month."""

from pathlib import Path
from typing import Annotated

import typer

from payment_worker.cli.commands.enqueue import AsJson

payouts = typer.Typer(
    name="payouts", help="Payouts, and the balance transactions in each.", invoke_without_command=True
)
ledger = typer.Typer(name="ledger", help="The double-entry ledger of Stripe's balance.", no_args_is_help=True)

Instant = "ISO 8601, `2026-11-22` or `2026-11-22T08:00Z`; UTC if it says none."


@ledger.command("import")
def import_(
    *,
    since: Annotated[
        str | None,
        typer.Option(help=f"Read everything since then again; only new transactions if not given. {Instant}"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Import Stripe's balance transactions of every account, and compare the balance with the ledger.

    Beat does so every few minutes. Reading further back than the first import explains parts of the opening balance.
    The next import resumes one that was interrupted.
    """
    from payment_worker.cli.views import ledger as view

    raise typer.Exit(view.run_import(since=since, as_json=as_json))


@ledger.command()
def export(
    *,
    month: Annotated[str, typer.Option(metavar="YYYY-MM", help="The month, in UTC.")],
    to: Annotated[
        Path, typer.Option(help="The directory to write into.", exists=True, file_okay=False, writable=True)
    ] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON Lines instead of CSV.")] = False,
) -> None:
    """Write a month's journal and its trial balance, `ledger-YYYY-MM-journal.csv` and `…-trial-balance.csv`.

    Both sum to zero in each currency. A repeated export is byte-identical unless that month got new transactions.
    """
    from payment_worker.cli.views.export import export as write

    write(month, directory=to, as_json=as_json)


def balance(
    *,
    at: Annotated[
        str | None,
        typer.Option(help=f"The balance at that time, from imported data, without asking Stripe. {Instant}"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show Stripe's balance, the ledger's balance and the uncleared amount for each account and currency.

    Imports new transactions first. If the balances differ, it reads everything again, lists the objects that cause the
    difference, and exits with status 1.
    """
    from payment_worker.cli.views import ledger as view

    raise typer.Exit(view.balance(at=at, as_json=as_json))


AsCSV = Annotated[bool, typer.Option("--csv", help="Print CSV, as a spreadsheet opens it.")]


@payouts.callback()
def list_payouts(
    command: typer.Context,
    *,
    limit: Annotated[
        int, typer.Option(help="Show at most this many, newest first.", min=1, max=100_000)
    ] = 50,
    as_csv: AsCSV = False,
    as_json: AsJson = False,
) -> None:
    """List payouts, newest first, each with its state and whether it equals the sum of its transactions."""
    from payment_worker.cli.views import payouts as view

    if command.invoked_subcommand is None:
        check_form(as_csv=as_csv, as_json=as_json)
        raise typer.Exit(view.list_newest(limit=limit, as_json=as_json, as_csv=as_csv))


@payouts.command()
def show(
    payout_id: Annotated[str, typer.Argument(metavar="ID", help="`po_…`")],
    *,
    as_csv: AsCSV = False,
    as_json: AsJson = False,
) -> None:
    """Show a payout and every balance transaction that it paid out. Stripe does not itemize manual payouts."""
    from payment_worker.cli.views import payouts as view

    check_form(as_csv=as_csv, as_json=as_json)
    raise typer.Exit(view.show(payout_id, as_json=as_json, as_csv=as_csv))


def check_form(*, as_csv: bool, as_json: bool) -> None:
    """Both at once are wrong usage."""
    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv", param_hint="--csv")
