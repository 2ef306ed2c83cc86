"""Whoever installs the wheel has every process, and needs no checkout."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

from payment_worker.devstack.processes import Process
from payment_worker.devstack.programs import clean_environment
from tests.harness.answers import answers
from tests.harness.port_base import free_port_base

ROOT = Path(__file__).parents[2]
SERVES = {"webhook": "/readyz", "flower": "/healthcheck", "console": "/healthz"}


def _installed(directory: Path) -> Path:
    """The Python of an environment that has the wheel, and its dependencies from this environment."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(directory)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = directory.glob("*.whl")
    venv.create(directory / "venv", with_pip=False)
    (packages,) = (directory / "venv").glob("lib/python*/site-packages")
    ZipFile(wheel).extractall(packages)
    # Behind its own. Of a directory that a .pth names no .pth is read, so the checkout stays out of sight.
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return directory / "venv" / "bin" / "python"


@pytest.mark.long
@pytest.mark.timeout(600)
def test_an_installed_wheel_runs_every_process(tmp_path: Path) -> None:
    python, away = str(_installed(tmp_path)), tmp_path / "away"
    away.mkdir()
    base = free_port_base()
    settings = {"DEVSTACK_PORT_BASE": str(base), "XDG_STATE_HOME": str(away), "PYTHONPATH": ""}
    environ = clean_environment(settings)
    environ["PATH"] = f"{Path(python).parent}{os.pathsep}{environ['PATH']}"
    where = [python, "-c", "import payment_worker; print(payment_worker.__file__)"]
    found = subprocess.run(where, cwd=away, env=environ, check=True, capture_output=True, text=True)
    assert found.stdout.startswith(str(tmp_path))

    dev = Process([python, "-m", "payment_worker", "dev"], log=tmp_path / "dev", environ=environ, cwd=away)
    with dev.start() as running:
        for offset, name in ((3, "webhook"), (4, "flower"), (5, "console")):
            url = f"http://127.0.0.1:{base + offset}{SERVES[name]}"
            running.wait_for(answers(url), seconds=120, what=name)
        # Worker and beat are up by the time that it says so.
        running.wait_for(lambda: "Ctrl-C ends all of it" in running.output(), seconds=120, what="ready")
