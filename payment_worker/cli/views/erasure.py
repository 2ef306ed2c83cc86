"""Prints what was erased of a customer."""

from contextlib import closing

from payment_worker import bootstrap
from payment_worker.cli.views.printing import complain, print_json, say
from payment_worker.flows.maintenance.erasure import erase_customer
from payment_worker.settings import Settings


def erase(customer_id: str, *, as_json: bool) -> bool:
    """Erase, and print what was; whether nothing is left for later."""
    chosen = Settings.from_environment(needed_by=("database",))
    with closing(bootstrap.database(chosen, connections=1)) as database:
        erased = erase_customer(database, customer_id)
    if as_json:
        print_json(erased)
    else:
        say(
            f"Erased the texts of {erased.payments} payments and {erased.rejected_requests} rejected requests."
        )
    for payment_id in erased.left:
        complain(f"Left for later, a request to Stripe has no outcome yet: {payment_id}")
    return not erased.left
