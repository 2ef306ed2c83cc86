"""The development stack does what the tutorial and its own screen say of it, and leaves no trace.

The tests share one stack, which the last of them ends.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from payment_worker.devstack.ports import Ports
from payment_worker.devstack.processes import descendants
from payment_worker.devstack.programs import clean_environment
from payment_worker.devstack.waiting import wait_until
from tests.harness.port_base import free_port_base
from tests.harness.rows import Rows

pytestmark = pytest.mark.long

PAYMENT_WORKER = [sys.executable, "-m", "payment_worker"]
ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(
    r"```(sh|text)\n(.*?)```", (ROOT / "docs" / "start.md").read_text(encoding="utf-8"), re.DOTALL
)
COMMANDS = [text for kind, text in BLOCKS if kind == "sh" and not text.startswith("make ")]
LINES = [line for kind, text in BLOCKS if kind == "text" for line in text.splitlines()]
TARGETS = [text.split()[1] for kind, text in BLOCKS if kind == "sh" and text.startswith("make ")]


@dataclass(frozen=True)
class Dev:
    """A stack that is ready, with the settings that lead to it."""

    process: "subprocess.Popen[bytes]"
    settings: dict[str, str]
    screen: str


@contextmanager
def _dev(directory: Path) -> Iterator[Dev]:
    """A stack of its own. Not under a guardian: nothing may depend on that."""
    settings = {"DEVSTACK_PORT_BASE": str(free_port_base()), "XDG_STATE_HOME": str(directory)}
    with (directory / "log").open("wb") as output:
        command, environ = [*PAYMENT_WORKER, "dev"], clean_environment(settings)
        with subprocess.Popen(command, stdout=output, stderr=output, env=environ) as dev:
            try:
                screen = wait_until(lambda: _screen(directory / "log"), seconds=60, what="the stack is ready")
                yield Dev(dev, settings, screen)
            finally:
                dev.kill()


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """The stack of all tests here."""
    with _dev(tmp_path_factory.mktemp("dev")) as dev:
        yield dev


def _run(settings: Mapping[str, str], *command: str, cwd: Path | None = None) -> tuple[int, str, str]:
    """Run a program in another shell, in a directory where nothing of the checkout is, as an app has one."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=clean_environment({**settings, "COLUMNS": "160"}),  # whatever this shell happens to have
        cwd=cwd or settings["XDG_STATE_HOME"],
        timeout=90,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def _screen(log: Path) -> str:
    text = log.read_text(encoding="utf-8")
    return text if "Ctrl-C ends all of it" in text else ""


def _all_gone(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_the_tutorial_makes_what_the_makefile_has() -> None:
    assert TARGETS == ["demo", "dev"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(f"\n{target}:" in makefile for target in TARGETS)


def test_the_commands_of_the_tutorial_print_what_it_says(dev: Dev) -> None:
    programs = f'export PATH="{Path(sys.executable).parent}:$PATH" NO_COLOR=1'
    status, out, err = _run(dev.settings, "bash", "-euc", "\n".join((programs, *COMMANDS)), cwd=ROOT)
    assert status == 0, out + err

    printed = " ".join(out.split())
    assert len(LINES) > 10
    for line in LINES:
        parts = [re.escape(" ".join(part.split())) for part in line.split("…")]
        assert re.search(".*?".join(parts), printed), f"{line!r} is not in\n{out}"


def test_what_dev_says_about_another_shell_is_true(dev: Dev) -> None:
    (take,) = re.findall(r"eval .+", dev.screen)
    (charge,) = re.findall(r"\S+/celery --broker .+", dev.screen)
    status, out, err = _run(dev.settings, "bash", "-ec", f'{take}\n{charge}\necho "$DATABASE_URL"')
    assert status == 0, err
    with closing(Rows(out.split()[-1])) as rows:
        (payment_id,) = re.findall(r'"payment_id": *"([^"]+)"', charge)
        row = rows.wait_for(
            "SELECT amount FROM payment WHERE status = 'SUCCEEDED' AND payment_id = %s", payment_id
        )
    assert row == {"amount": 4999}


def test_only_their_owner_may_read_its_settings(dev: Dev) -> None:
    (file,) = re.findall(r"Settings +(.+)", dev.screen)
    assert Path(file).stat().st_mode & 0o077 == 0


def test_dev_listens_where_configured_and_names_the_ports_that_are_taken(dev: Dev) -> None:
    base = int(dev.settings["DEVSTACK_PORT_BASE"])
    assert Ports.from_base(base).taken() == list(range(base, base + 6))
    status, out, _ = _run(dev.settings, *PAYMENT_WORKER, "dev")
    assert status == 2
    assert f"port {base}, {base + 1}, {base + 2}, {base + 3}, {base + 4}, {base + 5}" in out
    assert "--port-base" in out


def test_ctrl_c_leaves_no_process_and_no_settings_behind(dev: Dev) -> None:
    _leaves_nothing(dev, signal.SIGINT, status=130)


def test_a_kill_leaves_no_process_and_no_settings_behind(tmp_path: Path) -> None:
    with _dev(tmp_path) as dev:
        _leaves_nothing(dev, signal.SIGKILL, status=-signal.SIGKILL)


def _leaves_nothing(dev: Dev, number: signal.Signals, *, status: int) -> None:
    started = descendants(dev.process.pid)
    assert len(started) > 12
    os.kill(dev.process.pid, number)
    assert dev.process.wait(30) == status
    wait_until(lambda: _all_gone(started), seconds=10, what="everything has ended")
    left = _run(dev.settings, *PAYMENT_WORKER, "dev", "--env")
    assert left[:2] == (1, "")
    assert "No development stack runs on ports from" in left[2]
