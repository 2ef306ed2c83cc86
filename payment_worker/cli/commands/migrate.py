"""`payment-worker migrate`: brings the Payment Database to the latest version, or back."""

from typing import Annotated

import typer


def migrate(
    *,
    down: Annotated[
        str | None,
        typer.Option(metavar="REVISION", help="Downgrade to this revision; `base` drops every table."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before downgrading.")] = False,
) -> None:
    """Migrate the Payment Database to the latest version. Does nothing if it is there already."""
    from payment_worker.settings import Settings
    from payment_worker.store.connection import migrate as migrations

    settings = Settings.from_environment(needed_by=("database",), without=("stripe", "webhook"))
    url = settings.database_url.get_secret_value() if settings.database_url else ""
    before = migrations.revision(url)
    if down is None:
        migrations.upgrade(url)
    else:
        question = f"Downgrading from {before} to {down} deletes the newer tables with their rows. Continue?"
        if not yes and not typer.confirm(question):
            raise typer.Exit(1)
        migrations.downgrade(url, down)
    after = migrations.revision(url)
    outcome = (
        f"stays at {after}" if before == after else f"went from {before or 'empty'} to {after or 'empty'}"
    )
    typer.echo(f"The Payment Database {outcome}.")
    if after and not migrations.carries(after):
        typer.echo(
            f"{after} is unknown to this version: a newer one has migrated, and this one works with it."
        )
