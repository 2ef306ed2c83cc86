"""`payment-worker erase`: erase a customer's texts."""

from typing import Annotated

import typer

from payment_worker.cli.commands.enqueue import AsJson


def erase(
    *,
    customer_id: Annotated[str, typer.Option(help="Your id of the customer.")],
    as_json: AsJson = False,
) -> None:
    """Erase a customer's texts permanently: descriptions, metadata, addresses, mandates. Ids and amounts stay."""
    from payment_worker.cli.views import erasure

    raise typer.Exit(0 if erasure.erase(customer_id, as_json=as_json) else 1)
