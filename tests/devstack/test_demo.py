"""The demo tells its story to the end, and the development stack stays until told; neither leaves a trace."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from payment_worker.devstack.processes import Process, descendants
from payment_worker.devstack.programs import clean_environment
from payment_worker.devstack.waiting import wait_until
from tests.harness.length import long
from tests.harness.rows import Rows

ANY_PORT = {"FLOWER_PORT": "0"}
"""Another process of the tests may start such a stack at the same moment."""


def _demo(settings: Mapping[str, str], log: Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "payment_worker", "demo"]
    with Process(command, log=log, environ=clean_environment(settings)).start() as demo:
        return demo.wait(90), demo.output()


@contextmanager
def _dev(log: Path) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """A stack that is ready, with its screen. Not under a guardian: nothing may depend on that."""
    with log.open("wb") as output:
        command = [sys.executable, "-m", "payment_worker", "dev"]
        with subprocess.Popen(command, stdout=output, stderr=output, env=clean_environment(ANY_PORT)) as dev:
            try:
                yield dev, wait_until(lambda: _screen(log), seconds=60, what="the stack is ready")
            finally:
                dev.kill()


def _screen(log: Path) -> str:
    text = log.read_text(encoding="utf-8")
    return text if "Ctrl-C ends all of it" in text else ""


def _all_gone(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_the_demo_ends_with_equal_books(tmp_path: Path) -> None:
    status, screen = _demo({}, tmp_path / "log")
    assert status == 0, screen
    assert len(re.findall(r" equal *$", screen, re.MULTILINE)) == 5
    assert "skipped" not in screen
    assert "12 payments, both books equal to the cent, nothing taken twice" in screen


def test_the_demo_uses_what_it_is_given_and_skips_what_would_hurt_it(
    environment: dict[str, str], rows: Rows, tmp_path: Path
) -> None:
    status, screen = _demo(environment, tmp_path / "log")
    assert status == 0, screen
    assert screen.count("yours") == 3
    assert screen.count("skipped") == 4
    assert rows.one("SELECT count(*) FROM payment WHERE status = 'SUCCEEDED'") == {"count": 7}


def test_the_demo_refuses_a_live_key(environment: dict[str, str], tmp_path: Path) -> None:
    status, screen = _demo({**environment, "STRIPE_API_KEY": "sk_live_1"}, tmp_path / "log")
    assert status == 2
    assert "yours is a live one" in screen


def test_the_demo_names_every_setting_that_is_wrong(tmp_path: Path) -> None:
    status, screen = _demo({"PAYMENT_WORKER_LEESE": "1", "DATABASE_URL": "mysql://x"}, tmp_path / "log")
    assert status == 2
    assert "PAYMENT_WORKER_LEESE: no such setting" in screen


def test_what_dev_says_about_another_shell_is_true(tmp_path: Path) -> None:
    with _dev(tmp_path / "log") as (_, screen):
        exports = re.findall(r"export .+", screen)
        (charge,) = re.findall(r"\S+/celery --broker .+", screen)
        script = "\n".join((*exports, charge, 'echo "$DATABASE_URL"'))
        shell = subprocess.run(
            ["bash", "-ec", script], check=True, capture_output=True, text=True, env=clean_environment()
        )
        with closing(Rows(shell.stdout.split()[-1])) as rows:
            row = rows.wait_for("SELECT amount FROM payment WHERE status = 'SUCCEEDED'")
    assert row == {"amount": 4999}


@pytest.mark.parametrize(
    ("last_word", "status"),
    [(signal.SIGINT, 130), long(signal.SIGKILL, -signal.SIGKILL)],
    ids=["Ctrl-C", "kill -9"],
)
def test_dev_leaves_no_process_behind(tmp_path: Path, last_word: signal.Signals, status: int) -> None:
    with _dev(tmp_path / "log") as (dev, _):
        started = descendants(dev.pid)
        assert len(started) > 12
        os.kill(dev.pid, last_word)
        assert dev.wait(30) == status
    wait_until(lambda: _all_gone(started), seconds=10, what="everything has ended")
