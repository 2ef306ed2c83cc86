"""Whoever pastes the README's example into an app of their own has a card charged and a part of it refunded."""

import os
import re
import shlex
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from payment_worker.devstack.processes import Process
from tests.harness.length import long
from tests.harness.rows import Rows

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("## Enqueue from your app")[2].partition("\n## ")[0]


def _block(language: str) -> str:
    (block,) = re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)
    return str(block)


def _environment_of_ours(_: Path) -> Path:
    return Path(sys.executable)


def _fresh_environment(directory: Path) -> Path:
    """A virtual environment that holds what the README says, and nothing else."""
    venv.create(directory, with_pip=True)
    python = directory / "bin" / "python"
    subprocess.run([python, "-m", *shlex.split(_block("sh"))], check=True, timeout=100)
    return python


@pytest.fixture
def started(worker: Callable[..., Process], beat: Callable[..., Process], redis_url: str) -> dict[str, str]:
    """A worker and beat, by what an app is told of them. A refund that overtakes its charge waits for a sweep."""
    worker()
    beat(settings={"PAYMENT_WORKER_RESUME_EVERY": "1"})
    return {"REDIS_URL": redis_url}


@pytest.mark.parametrize("python_from", [_environment_of_ours, long(_fresh_environment)])
def test_its_example_runs_as_it_is_printed(
    python_from: Callable[[Path], Path],
    started: dict[str, str],
    rows: Rows,
    tmp_path: Path,
) -> None:
    python = python_from(tmp_path / "venv")
    # Isolated, and from a directory of its own: nothing of this checkout can be found.
    subprocess.run(
        [python, "-I", "-c", _block("python")],
        cwd=tmp_path,
        env={**os.environ, **started},
        check=True,
        timeout=30,
    )

    # A refund that overtook its charge looks for it after 1, 2, 4 and 8 seconds.
    rows.wait_for("SELECT 1 FROM refund WHERE amount = 500 AND status = 'PROCESSED'", seconds=60)
    payment = rows.one("SELECT status, amount_captured, amount_refunded FROM payment")
    assert payment == {"status": "SUCCEEDED", "amount_captured": 1099, "amount_refunded": 500}


def test_what_it_installs_brings_the_client_of_redis() -> None:
    assert _block("sh") == 'pip install "celery[redis]"\n'
