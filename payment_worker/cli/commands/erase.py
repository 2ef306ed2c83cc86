"""`payment-worker erase`: erase a customer's texts."""

from contextlib import closing
from typing import Annotated

import typer

from payment_worker.cli.commands.enqueue import AsJson


def erase(
    *,
    customer_id: Annotated[str, typer.Option(help="Your id of the customer.")],
    as_json: AsJson = False,
) -> None:
    """Erase a customer's texts permanently: descriptions, metadata, addresses, mandates. Ids and amounts stay."""
    from payment_worker import bootstrap
    from payment_worker.cli.views.printing import complain, print_json, say
    from payment_worker.flows.maintenance.erasure import erase_customer
    from payment_worker.settings import Settings

    settings = Settings.from_environment(needed_by=("database",))
    with closing(bootstrap.database(settings, connections=1)) as database:
        erased = erase_customer(database, customer_id)
    if as_json:
        print_json(erased)
    else:
        say(
            f"Erased the texts of {erased.payments} payments and {erased.rejected_requests} rejected requests."
        )
    for payment_id in erased.left:
        complain(f"Left for later, a request to Stripe has no outcome yet: {payment_id}")
    raise typer.Exit(1 if erased.left else 0)
