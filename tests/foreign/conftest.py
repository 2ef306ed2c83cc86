"""Another app's own database and its consumer of outcomes."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from payment_worker.devstack.processes import Process
from tests.harness.rows import Rows
from tests.harness.tools import missing

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def shop_rows(empty_database_url: str) -> Iterator[Rows]:
    """Queries of the other app's database."""
    with closing(Rows(empty_database_url)) as rows:
        yield rows


@pytest.fixture
def shop_environment(redis_url: str, empty_database_url: str) -> dict[str, str]:
    """All that the other app is told."""
    quick = {"ADOPT_AFTER_MS": "100", "PAUSE_SECONDS": "0.01"}
    return {**os.environ, "REDIS_URL": redis_url, "SHOP_DATABASE_URL": empty_database_url, **quick}


@pytest.fixture
def consume(shop_environment: dict[str, str], tmp_path: Path) -> Callable[..., Process]:
    """Starts a consumer of the group `shop`."""

    def start(name: str = "one") -> Process:
        command = [sys.executable, str(EXAMPLES / "python" / "consumer.py"), "shop", name]
        return Process(command, log=tmp_path / f"{name}.log", environ=shop_environment).start()

    return start


def installed(requirements: Path, directory: Path, *packages: str) -> str:
    """The directory, with these of the packages that an example requires in it; what is here already is not."""
    wanted = [line for line in requirements.read_text(encoding="utf-8").split() if line.startswith(packages)]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--target",
            directory,
            "--no-deps",
            *wanted,
            *packages,
        ],
        capture_output=True,
        check=False,
        timeout=100,
    )
    if done.returncode != 0:
        missing(f"pip could not install {', '.join(packages)}: the example was not run")
    return str(directory)
