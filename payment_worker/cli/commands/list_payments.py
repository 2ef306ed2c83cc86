"""`payment-worker list`: finds payments by order, status and period."""

from typing import Annotated

import typer

from payment_worker.cli.commands.enqueue import AsJson
from payment_worker.cli.commands.reconcile import Since, Until
from payment_worker.domain.payment import PaymentStatus


def list_payments(
    *,
    status: Annotated[
        PaymentStatus | None, typer.Option(help="Only these.", case_sensitive=False, show_choices=True)
    ] = None,
    since: Since = None,
    until: Until = None,
    order_id: Annotated[str | None, typer.Option(help="Only this order's, as your app gave its id.")] = None,
    limit: Annotated[int, typer.Option(help="Show at most this many, newest first.", min=1, max=10_000)] = 20,
    as_json: AsJson = False,
) -> None:
    """List payments, newest first; --since and --until select by the time of the request.

    `payment-worker show ID` finds one by any id, and prints its timeline.
    """
    from payment_worker.cli.views import payments

    payments.show(status=status, since=since, until=until, order_id=order_id, limit=limit, as_json=as_json)
