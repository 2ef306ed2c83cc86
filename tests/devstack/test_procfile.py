"""`honcho start` runs all that the Procfile has, with what `.env.example` says and no more."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from payment_worker.devstack.demo.example_app import Shop
from payment_worker.devstack.ports import free_port
from payment_worker.devstack.processes import Process
from payment_worker.devstack.programs import clean_environment
from tests.harness.answers import answers
from tests.harness.rows import Rows

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")


def _settings(values: dict[str, str]) -> str:
    """The example with its addresses replaced, and with STRIPE_API_BASE, which it has as a comment."""
    text = EXAMPLE
    for name, value in values.items():
        text, count = re.subn(rf"^#?{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
        assert count == 1, name
    return text


@pytest.mark.long
def test_honcho_starts_what_the_example_configures(
    environment: dict[str, str], rows: Rows, tmp_path: Path
) -> None:
    flower, webhook, console = free_port(), free_port(), free_port()
    addresses = {name: environment[name] for name in ("DATABASE_URL", "REDIS_URL", "STRIPE_API_BASE")}
    values = {**addresses, "FLOWER_PORT": str(flower), "WEBHOOK_PORT": str(webhook)}
    values["CONSOLE_PORT"] = str(console)
    env = tmp_path / "env"
    env.write_text(_settings(values), encoding="utf-8")
    path = {"PATH": f"{Path(sys.executable).parent}:{clean_environment()['PATH']}"}
    environ = clean_environment(path)
    honcho = ["honcho", "--env", str(env), "--procfile", str(ROOT / "Procfile")]
    subprocess.run([*honcho, "run", "payment-worker", "migrate"], env=environ, check=True, timeout=60)

    with (
        Process([*honcho, "start"], log=tmp_path / "log", environ=environ, cwd=tmp_path).start() as running,
        Shop(environment["REDIS_URL"]) as shop,
    ):
        running.wait_for(answers(f"http://127.0.0.1:{flower}/healthcheck"), seconds=60)
        running.wait_for(answers(f"http://127.0.0.1:{webhook}/readyz"), seconds=60)
        running.wait_for(answers(f"http://127.0.0.1:{console}/healthz"), seconds=60)
        payment_id = shop.charge(1099)
        rows.wait_for("SELECT 1 FROM payment WHERE payment_id = %s AND status = 'SUCCEEDED'", payment_id)
        # Beat's first act is a row.
        rows.wait_for("SELECT 1 FROM beat_schedule")
        assert running.running
    assert not list(tmp_path.glob("flower*")), "Flower's state has no place unless FLOWER_DB names one"
