"""Whoever follows the tutorial sees what it says: its commands are run, and print its lines."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from payment_worker.devstack.processes import Process
from payment_worker.devstack.programs import clean_environment
from tests.harness.port_base import free_port_base

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(
    r"```(sh|text)\n(.*?)```", (ROOT / "docs" / "start.md").read_text(encoding="utf-8"), re.DOTALL
)
COMMANDS = [text for kind, text in BLOCKS if kind == "sh" and not text.startswith("make ")]
LINES = [line for kind, text in BLOCKS if kind == "text" for line in text.splitlines()]
TARGETS = [text.split()[1] for kind, text in BLOCKS if kind == "sh" and text.startswith("make ")]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of another shell, while `make dev` runs in the first."""
    environ = {"DEVSTACK_PORT_BASE": str(free_port_base()), "XDG_STATE_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "payment_worker", "dev"]
    with Process(command, log=tmp_path / "dev.log", environ=clean_environment(environ)).start() as dev:
        dev.wait_for_output("Ctrl-C ends all of it", seconds=60)
        yield environ


def test_it_makes_what_the_makefile_has() -> None:
    assert TARGETS == ["demo", "dev"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(f"\n{target}:" in makefile for target in TARGETS)


def test_its_commands_print_what_it_says(shell: dict[str, str]) -> None:
    programs = f'export PATH="{Path(sys.executable).parent}:$PATH" NO_COLOR=1'
    done = subprocess.run(
        ["bash", "-euc", "\n".join((programs, *COMMANDS))],
        cwd=ROOT,
        env=clean_environment({**shell, "COLUMNS": "160"}),  # whatever this shell happens to have
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

    printed = " ".join(done.stdout.split())
    assert len(LINES) > 10
    for line in LINES:
        parts = [re.escape(" ".join(part.split())) for part in line.split("…")]
        assert re.search(".*?".join(parts), printed), f"{line!r} is not in\n{done.stdout}"
