"""Runs the commands of an operator, some of which are killed: audits, erasures, replays of rejected requests."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from payment_worker.devstack.chaos.faults.random_actions import RandomActions
from payment_worker.devstack.programs import clean_environment

ONE_IN: Final = 60
"""One command for this many payments: each is a process that spends a second importing."""
_KILLED_SHARE: Final = 0.4
_COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "audit": ("show", "{}", "--jsonl"),
    "erase": ("erase", "--customer-id", "{}"),
    "replay": ("requests", "rejected", "replay", "{}"),
}
_ID: Final[Mapping[str, str]] = {
    "audit": "SELECT payment_id::text FROM payment ORDER BY random() LIMIT 1",
    "erase": "SELECT customer_id FROM payment WHERE customer_id IS NOT NULL ORDER BY random() LIMIT 1",
    "replay": "SELECT request_id::text FROM rejected_request WHERE task <> 'payment_worker.retry_charge'"
    " ORDER BY random() LIMIT 1",
}
"""Whom a command is about. A try that was rejected is not repeated: the run counts how often money was tried."""


class Operator(RandomActions):
    """Runs commands in a thread. `done` counts them, `broken` has what no command may print."""

    def __init__(
        self, *, database: Engine, settings: Mapping[str, str], seed: int, every_seconds: float
    ) -> None:
        self._database, self._environment = database, clean_environment(settings)
        super().__init__("operator", seed=seed, every_seconds=every_seconds)
        self.done: Counter[str] = Counter()
        self.broken: list[str] = []

    def act(self) -> None:
        """Run one command."""
        action = self._random.choice(list(_COMMANDS))
        subject = None
        with suppress(SQLAlchemyError), self._database.connect() as connection:  # it may be unreachable
            subject = connection.execute(text(_ID[action])).scalar()
        if subject is None:
            return
        is_killed = self._random.random() < _KILLED_SHARE
        arguments = [part.format(subject) for part in _COMMANDS[action]]
        ran = self._run_command(arguments, seconds=self._random.uniform(0.8, 2.0) if is_killed else None)
        self.done["killed" if ran is None else action] += 1
        if ran and (fault := _fault(action, ran)):
            self.broken.append(f"{' '.join(arguments)}: {fault}")

    def _run_command(
        self, arguments: list[str], *, seconds: float | None
    ) -> subprocess.CompletedProcess[str] | None:
        """The command's result; None if it was killed after so many seconds."""
        command = [sys.executable, "-m", "payment_worker", *arguments]
        try:
            return subprocess.run(  # noqa: S603 - our own program
                command, env=self._environment, timeout=seconds, capture_output=True, text=True, check=False
            )
        except subprocess.TimeoutExpired:
            return None


def _fault(action: str, ran: subprocess.CompletedProcess[str]) -> str | None:
    """What is wrong with a command's output, whatever was away while it ran."""
    if "Traceback" in ran.stderr or "This is a bug" in ran.stderr:
        return ran.stderr
    if action == "audit" and ran.returncode == 0:
        records = [json.loads(line)["record"] for line in ran.stdout.splitlines()]
        return None if records.count("payment") == 1 else f"{records.count('payment')} payments"
    return None
