"""The whole stack, left running for whoever develops with it, until Ctrl-C."""

import json
import os
import shlex
import sys
from pathlib import Path
from threading import Event
from uuid import uuid4

from payment_worker.devstack.ports import answers
from payment_worker.devstack.screen import Screen
from payment_worker.devstack.show import PROBLEMS, show
from payment_worker.devstack.stack import Stack

_FLOWER_PORT = 5555
_LOOK_EVERY_SECONDS = 0.5


def run() -> int:
    """Bring the stack up, say how to use it, and wait.

    Flower is on the port that `FLOWER_PORT` names, 0 for any that is free; else on 5555, if nothing is there already.

    Returns:
        130 after Ctrl-C, 1 when a process ended by itself, 2 when the given settings are unusable.
    """
    chosen = os.environ.get("FLOWER_PORT")
    usual = 0 if answers(_FLOWER_PORT) else _FLOWER_PORT
    return show(_wait, flower_port=int(chosen) if chosen and chosen.isdecimal() else usual)


def _wait(screen: Screen, stack: Stack) -> int:
    _tell(screen, stack)
    never = Event()
    while all(process.running for process in stack.processes.values()):
        never.wait(_LOOK_EVERY_SECONDS)
    for name, process in stack.processes.items():
        if not process.running:
            screen.fault(f"{name} ended with {process.exit_status}:\n{process.tail()}")
    return PROBLEMS


def _tell(screen: Screen, stack: Stack) -> None:
    user, password = stack.flower_login
    screen.title("Ready")
    say = screen.line
    say(f"Flower    {stack.flower_url}  user {user}, password {password}")
    if "webhook" in stack.processes:
        say(f"Webhook   {stack.webhook_url}")
    say(f"Logs      {stack.directory}")
    say("")
    say("In another shell:")
    say("")
    for name, value in sorted(stack.settings.items()):
        # What was given is known there, and may be a secret.
        if name not in os.environ:
            say(f"export {name}={shlex.quote(value)}")
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
