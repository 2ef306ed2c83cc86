"""The program as a person runs it: its screen, its exit status, and nothing of this process in it."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from payment_worker.devstack.programs import clean_environment
from tests.harness.fork_server import fork_server

SCREEN = {"COLUMNS": "120", "NO_COLOR": "1", "USER": "ada", "LOGNAME": "ada"}


@dataclass(frozen=True)
class Ran:
    """What a command came to."""

    status: int
    out: str
    err: str

    @property
    def screen(self) -> str:
        """Standard output without the blanks that fill lines up."""
        return "".join(f"{line.rstrip()}\n" for line in self.out.splitlines())


Run = Callable[..., Ran]


@pytest.fixture
def bare(tmp_path: Path) -> Run:
    """Runs `payment-worker` with no settings but those given: `bare("show", "pi_1", settings={…})`."""

    def run(*arguments: str, settings: dict[str, str] | None = None, answer: str = "") -> Ran:
        environment = clean_environment({**SCREEN, **(settings or {})})
        if any(name.startswith("PYTHON") for name in settings or {}):
            done = subprocess.run(
                [sys.executable, "-m", "payment_worker", *arguments],
                env=environment,
                cwd=tmp_path,
                input=answer,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        else:
            done = fork_server().run(arguments, environment=environment, directory=tmp_path, answer=answer)
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def run(bare: Run, environment: dict[str, str]) -> Run:
    """Runs `payment-worker` in this test's world."""

    def run(*arguments: str, settings: dict[str, str] | None = None, answer: str = "") -> Ran:
        return bare(*arguments, settings={**environment, **(settings or {})}, answer=answer)

    return run
