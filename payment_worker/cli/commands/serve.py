"""`payment-worker dev`, `demo`, `simulator`, `webhook` and `console`: commands that start a program."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import typer

from payment_worker.devstack.ports import DEFAULT_BASE

_HOST: Final = "Address to listen on; 0.0.0.0 for every interface."
_PORT: Final = "Port to listen on; 0: any free one."


def demo() -> None:
    """Run a one-minute demo on real servers: payments, failures, and a comparison of our rows with Stripe's."""
    from payment_worker.devstack.demo.run import run

    raise typer.Exit(run())


def dev(
    *,
    port_base: Annotated[
        int,
        typer.Option(
            envvar="DEVSTACK_PORT_BASE",
            help="PostgreSQL, Redis, Stripe's simulator, the webhook receiver and Flower listen on this port and the "
            "five after it.",
            min=1,
            max=65_530,
        ),
    ] = DEFAULT_BASE,
    env: Annotated[
        bool,
        typer.Option(
            "--env",
            help='Print the settings of the running system, for `eval "$(payment-worker dev --env)"`.',
        ),
    ] = False,
) -> None:
    """Run the whole system until Ctrl-C: enqueue tasks from another shell, watch them in Flower."""
    from payment_worker.devstack import dev as stack

    raise typer.Exit(stack.print_exports(port_base) if env else stack.run(port_base=port_base))


def simulator(context: typer.Context) -> None:
    """Run the Stripe simulator; `payment-worker simulator --help` lists its options."""
    from payment_worker import simulator as miniature

    raise typer.Exit(miniature.main(context.args))


def webhook(
    *,
    host: Annotated[str, typer.Option(envvar="WEBHOOK_HOST", help=_HOST)] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar=["WEBHOOK_PORT", "PORT"], help=_PORT, min=0, max=65_535)] = 8000,
) -> None:
    """Run the webhook receiver until it is stopped.

    POST /webhooks/stripe, GET /healthz, /readyz and /metrics.
    """
    from payment_worker.webhook.server import serve

    with _address_in_use_reported(host, port):
        serve(host=host, port=port)


def console(
    *,
    host: Annotated[str, typer.Option(envvar="CONSOLE_HOST", help=_HOST)] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar=["CONSOLE_PORT", "PORT"], help=_PORT, min=0, max=65_535)] = 8001,
) -> None:
    """Serve web pages about payments, and everything that needs a person's decision, until it is stopped.

    It needs PAYMENT_WORKER_CONSOLE_AUTH, or a proxy that authenticates.
    """
    from payment_worker.cli.doctor.report import examine_servers
    from payment_worker.console.server import serve

    with _address_in_use_reported(host, port):
        serve(host=host, port=port, examine=examine_servers)


@contextmanager
def _address_in_use_reported(host: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # A name that cannot be resolved has a negative number, and its own words.
        number = error.errno or 0
        reason = os.strerror(number) if number > 0 else error.strerror
        typer.echo(f"Cannot listen on {host} port {port}: {reason}.", err=True)
        raise typer.Exit(1) from None
