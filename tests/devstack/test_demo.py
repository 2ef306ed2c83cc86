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

from payment_worker.devstack.ports import Ports
from payment_worker.devstack.processes import Process, descendants
from payment_worker.devstack.programs import clean_environment
from payment_worker.devstack.waiting import wait_until
from tests.harness.length import long
from tests.harness.port_base import free_port_base
from tests.harness.rows import Rows

PAYMENT_WORKER = [sys.executable, "-m", "payment_worker"]


def _demo(settings: Mapping[str, str], log: Path) -> tuple[int, str]:
    command = [*PAYMENT_WORKER, "demo"]
    with Process(command, log=log, environ=clean_environment(settings)).start() as demo:
        return demo.wait(90), demo.output()


@contextmanager
def _dev(directory: Path) -> Iterator[tuple["subprocess.Popen[bytes]", dict[str, str]]]:
    """A stack that is ready, with the settings that lead to it. Not under a guardian: nothing may depend on that."""
    settings = {"DEVSTACK_PORT_BASE": str(free_port_base()), "XDG_STATE_HOME": str(directory)}
    with (directory / "log").open("wb") as output:
        command, environ = [*PAYMENT_WORKER, "dev"], clean_environment(settings)
        with subprocess.Popen(command, stdout=output, stderr=output, env=environ) as dev:
            try:
                wait_until(lambda: _screen(directory / "log"), seconds=60, what="the stack is ready")
                yield dev, settings
            finally:
                dev.kill()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A stack for several tests, by the settings that lead to it."""
    with _dev(tmp_path_factory.mktemp("dev")) as (_, settings):
        yield settings


def _run(settings: Mapping[str, str], *command: str) -> "subprocess.CompletedProcess[str]":
    """Run a program in another shell, in a directory where nothing of the checkout is, as an app has one."""
    environ = clean_environment(settings)
    directory = settings["XDG_STATE_HOME"]
    return subprocess.run(
        command, capture_output=True, text=True, env=environ, cwd=directory, timeout=60, check=False
    )


def _screen(log: Path) -> str:
    text = log.read_text(encoding="utf-8")
    return text if "Ctrl-C ends all of it" in text else ""


def _all_gone(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_the_demo_ends_with_equal_books(tmp_path: Path) -> None:
    status, screen = _demo({}, tmp_path / "log")
    assert status == 0, screen
    assert len(re.findall(r" equal *$", screen, re.MULTILINE)) == 12
    assert "skipped" not in screen
    assert "Stripe's balance is explained to the cent, in every currency." in screen
    assert "14 payments, both books equal to the cent, nothing taken twice" in screen


def test_the_demo_uses_what_it_is_given_and_skips_what_would_hurt_it(
    environment: dict[str, str], rows: Rows, tmp_path: Path
) -> None:
    status, screen = _demo(environment, tmp_path / "log")
    assert status == 0, screen
    assert screen.count("yours") == 3
    assert screen.count("skipped") == 6
    assert rows.one("SELECT count(*) FROM payment WHERE status = 'SUCCEEDED'") == {"count": 7}


def test_the_demo_refuses_a_live_key(environment: dict[str, str], tmp_path: Path) -> None:
    status, screen = _demo({**environment, "STRIPE_API_KEY": "sk_live_1"}, tmp_path / "log")
    assert status == 2
    assert "yours is a live one" in screen


def test_the_demo_names_every_setting_that_is_wrong(tmp_path: Path) -> None:
    status, screen = _demo({"PAYMENT_WORKER_LEESE": "1", "DATABASE_URL": "mysql://x"}, tmp_path / "log")
    assert status == 2
    assert "PAYMENT_WORKER_LEESE: no such setting" in screen


def test_what_dev_says_about_another_shell_is_true(stack: dict[str, str]) -> None:
    screen = _screen(Path(stack["XDG_STATE_HOME"], "log"))
    (take,) = re.findall(r"eval .+", screen)
    (charge,) = re.findall(r"\S+/celery --broker .+", screen)
    shell = _run(stack, "bash", "-ec", f'{take}\n{charge}\necho "$DATABASE_URL"')
    assert shell.returncode == 0, shell.stderr
    with closing(Rows(shell.stdout.split()[-1])) as rows:
        row = rows.wait_for("SELECT amount FROM payment WHERE status = 'SUCCEEDED'")
    assert row == {"amount": 4999}


def test_only_their_owner_may_read_its_settings(stack: dict[str, str]) -> None:
    (file,) = re.findall(r"Settings +(.+)", _screen(Path(stack["XDG_STATE_HOME"], "log")))
    assert Path(file).stat().st_mode & 0o077 == 0


def test_dev_listens_where_configured_and_names_the_ports_that_are_taken(stack: dict[str, str]) -> None:
    base = int(stack["DEVSTACK_PORT_BASE"])
    assert Ports.from_base(base).taken() == list(range(base, base + 6))
    second = _run(stack, *PAYMENT_WORKER, "dev")
    assert second.returncode == 2
    assert f"port {base}, {base + 1}, {base + 2}, {base + 3}, {base + 4}, {base + 5}" in second.stdout
    assert "--port-base" in second.stdout


@pytest.mark.parametrize(
    ("last_word", "status"),
    [(signal.SIGINT, 130), long(signal.SIGKILL, -signal.SIGKILL)],
    ids=["Ctrl-C", "kill -9"],
)
def test_dev_leaves_no_process_and_no_settings_behind(
    tmp_path: Path, last_word: signal.Signals, status: int
) -> None:
    with _dev(tmp_path) as (dev, settings):
        started = descendants(dev.pid)
        assert len(started) > 12
        os.kill(dev.pid, last_word)
        assert dev.wait(30) == status
    wait_until(lambda: _all_gone(started), seconds=10, what="everything has ended")
    left = _run(settings, *PAYMENT_WORKER, "dev", "--env")
    assert (left.returncode, left.stdout) == (1, "")
    assert "No development stack runs on ports from" in left.stderr
