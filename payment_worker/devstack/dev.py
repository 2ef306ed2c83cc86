"""`make dev`: runs the whole system until Ctrl-C."""

import json
import os
import shlex
import sys
from functools import partial
from pathlib import Path
from threading import Event
from uuid import uuid4

from payment_worker.devstack import env_file
from payment_worker.devstack.launch import PROBLEMS, WRONG_USAGE, show
from payment_worker.devstack.ports import DEFAULT_BASE, Ports
from payment_worker.devstack.progress import Screen
from payment_worker.devstack.stack import Stack

_LOOK_EVERY_SECONDS = 0.5


def run(*, port_base: int) -> int:
    """Bring the stack up, say how to use it, and wait.

    Its servers listen on the base and the ports that follow it.

    Returns:
        130 after Ctrl-C, 1 when a process ended by itself, 2 when the given settings are unusable or a port is taken.
    """
    ports = Ports.from_base(port_base)
    if taken := ports.taken():
        Screen().fault(
            f"Taken by another program, or by a stack that runs already: port {', '.join(map(str, taken))}. "
            "Choose six others: payment-worker dev --port-base NUMBER"
        )
        return WRONG_USAGE
    return show(partial(_wait, port_base), ports=ports)


def print_exports(port_base: int) -> int:
    """Print what `eval` makes the settings of the stack that runs there. Returns 1 when none does."""
    try:
        sys.stdout.write(env_file.exports(port_base))
    except env_file.NotRunningError as error:
        sys.stderr.write(f"{error}\n")
        return PROBLEMS
    return 0


def _wait(port_base: int, screen: Screen, stack: Stack) -> int:
    # What was given is known there, and may be a secret.
    made = {name: value for name, value in stack.settings.items() if name not in os.environ}
    with env_file.written(made, port_base) as file:
        _print_addresses(screen, stack, port_base, file)
        never = Event()
        while all(process.running for process in stack.processes.values()):
            never.wait(_LOOK_EVERY_SECONDS)
    for name, process in stack.processes.items():
        if not process.running:
            screen.fault(f"{name} ended with {process.exit_status}:\n{process.tail()}")
    return PROBLEMS


def _print_addresses(screen: Screen, stack: Stack, port_base: int, file: Path) -> None:
    user, password = stack.flower_login
    screen.title("Ready")
    say = screen.line
    login = f"user {user}, password {password}"
    say(f"Console   {stack.console_url}  {login}")
    say(f"Flower    {stack.flower_url}  {login}")
    if "webhook" in stack.processes:
        say(f"Webhook   {stack.webhook_url}")
    say(f"Logs      {stack.directory}")
    say(f"Settings  {file}")
    say("")
    say("In another shell:")
    say("")
    other = "" if port_base == DEFAULT_BASE else f" --port-base {port_base}"
    say(f'eval "$({_beside_python("payment-worker")} dev --env{other})"')
    say("")
    payment_id = str(uuid4())
    say("Then, as another app would, charge a card, and see what became of it:")
    say("")
    say(_charge(payment_id))
    say(f"{_beside_python('payment-worker')} show {payment_id}")
    say("")
    say("Ctrl-C ends all of it.")


def _charge(payment_id: str) -> str:
    arguments = {
        "payment_id": payment_id,
        "order_id": str(uuid4()),
        "amount": 4_999,
        "currency": "EUR",
        "payment_method": "pm_card_visa",
    }
    celery = f'{_beside_python("celery")} --broker "$REDIS_URL"'
    return (
        f"{celery} call payment_worker.charge --queue charges --kwargs {shlex.quote(json.dumps(arguments))}"
    )


def _beside_python(program: str) -> str:
    """A program of this environment, by the path that works in every shell."""
    return shlex.quote(str(Path(sys.executable).with_name(program)))
