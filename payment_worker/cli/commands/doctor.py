"""`payment-worker doctor`: runs every check and prints what to fix."""

from typing import Annotated

import typer

from payment_worker.cli.commands.enqueue import AsJson


def doctor(
    *,
    unknown_after: Annotated[
        float, typer.Option(metavar="SECONDS", help="Age from which an unknown outcome is a problem.", min=0)
    ] = 900,
    as_json: AsJson = False,
) -> None:
    """Check settings, servers, Stripe and rows, and say how to fix what is wrong."""
    from payment_worker.cli.doctor import report

    checks = report.examine(unknown_after_seconds=unknown_after)
    report.show(checks, as_json=as_json)
    raise typer.Exit(0 if report.is_healthy(checks) else 1)
