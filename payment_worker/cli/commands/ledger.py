"""Commands about the balance: import it, prove that it is explained, list payouts, export a month."""

from typing import Annotated

import typer

from payment_worker.cli.commands.enqueue import AsJson

ledger = typer.Typer(help="The double-entry ledger of Stripe's balance.", no_args_is_help=True)

Instant = "ISO 8601, `2026-11-22` or `2026-11-22T08:00Z`; UTC if it says none."


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(ledger, name="ledger")
    app.command()(balance)


@ledger.command("import")
def import_(
    *,
    since: Annotated[
        str | None,
        typer.Option(help=f"Read everything from then on once more. Without it: what is new. {Instant}"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Import Stripe's balance transactions of every account, and compare the balance with the ledger.

    Beat does so every few minutes. From further back than the first import, what was part of the opening balance is
    explained. An import that is interrupted is resumed by the next one.
    """
    from payment_worker.cli.views import ledger as view

    raise typer.Exit(view.run_import(since=since, as_json=as_json))


def balance(
    *,
    at: Annotated[
        str | None, typer.Option(help=f"As it was then, by what is imported: Stripe is not asked. {Instant}")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show for each account and currency what Stripe says, what the ledger says, and what is not cleared yet.

    Imports what is new first. Where they differ, everything is read once more, and the objects that make the difference
    are listed; the exit status is 1.
    """
    from payment_worker.cli.views import ledger as view

    raise typer.Exit(view.balance(at=at, as_json=as_json))
