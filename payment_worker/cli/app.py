"""The Typer application of `payment-worker`, and how its errors are printed."""

import io
import sys
from collections.abc import Callable, Mapping
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
_COMMANDS: Final[Mapping[str, Callable[..., None]]] = {
    "demo": serve.demo,
    "dev": serve.dev,
    "simulator": serve.simulator,
    "webhook": serve.webhook,
    "console": serve.console,
    "migrate": migrate.migrate,
    "charge": enqueue.charge,
    "refund": enqueue.refund,
    "adopt": enqueue.adopt,
    "capture": enqueue.capture,
    "cancel": enqueue.cancel,
    "retry": enqueue.retry_charge,
    "show": show.show,
    "list": list_payments.list_payments,
    "doctor": doctor.doctor,
    "pause": pause.pause,
    "resume": pause.resume,
    "reconcile": reconcile.reconcile,
    "report": reconcile.report,
    "balance": ledger.balance,
    "erase": erase.erase,
}
_PASSED_ON: Final = {"allow_extra_args": True, "ignore_unknown_options": True}
for name, command in _COMMANDS.items():
    is_other_program = command is serve.simulator  # it reads its own arguments, --help among them
    app.command(
        name, add_help_option=not is_other_program, context_settings=_PASSED_ON if is_other_program else None
    )(command)
for group in (
    *(events.events, rejected.requests, findings.findings),
    *(ledger.ledger, ledger.payouts, webhook_endpoint.endpoint),
):
    app.add_typer(group)


def _print_version(is_requested: bool) -> None:  # noqa: FBT001 - typer calls it so
    if is_requested:
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
