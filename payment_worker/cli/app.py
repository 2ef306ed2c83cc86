"""The Typer application of `payment-worker`, and how its errors are printed."""

import io
import sys
from typing import Annotated, Final

import typer

from payment_worker import __version__
from payment_worker.cli.commands import (
    doctor,
    enqueue,
    erase,
    events,
    findings,
    ledger,
    list_payments,
    migrate,
    pause,
    reconcile,
    rejected,
    serve,
    show,
    webhook_endpoint,
)

app = typer.Typer(
    help="Charges and refunds through Stripe: each executed once, none forgotten.",
    epilog="Exit status: 0 done, 1 found problems, 2 wrong usage. What may be set is described in the docs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_WRONG_USAGE: Final = 2
for group in (
    *(serve, migrate, enqueue, show, list_payments, events, rejected, findings),
    *(doctor, pause, reconcile, ledger, webhook_endpoint, erase),
):
    group.add_to(app)


def _print_version(asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _program(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and leave.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    pass


def _unfit(argument: str) -> bool:
    """Whether no text of ours can be this argument: bytes that are no UTF-8, or a NUL."""
    return "\0" in argument or (
        not argument.isascii() and any("\ud800" <= each <= "\udfff" for each in argument)
    )


def main() -> None:
    """Run the command that the arguments name, and leave with its exit status. Never shows a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What this terminal or file cannot show is written as an escape, and raises nothing.
        sys.stdout.reconfigure(errors="backslashreplace")
    for at, argument in enumerate(sys.argv[1:], start=1):
        if _unfit(argument):
            sys.stderr.write(f"Argument {at} is not text in UTF-8, or holds a NUL.\n")
            sys.exit(_WRONG_USAGE)
    try:
        app(prog_name="payment-worker")
    except Exception as error:  # noqa: BLE001 - what it may hold is not for every screen
        from payment_worker.cli.errors import explained
        from payment_worker.cli.views.printing import complain

        message, status = explained(error)
        complain(message)
        sys.exit(status)
