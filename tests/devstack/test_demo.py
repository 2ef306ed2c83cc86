"""The demo runs to its end, and says why where it cannot."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from payment_worker.devstack.processes import Process
from payment_worker.devstack.programs import clean_environment
from tests.harness.rows import Rows

PAYMENT_WORKER = [sys.executable, "-m", "payment_worker"]


def _demo(settings: Mapping[str, str], log: Path) -> tuple[int, str]:
    command = [*PAYMENT_WORKER, "demo"]
    with Process(command, log=log, environ=clean_environment(settings)).start() as demo:
        return demo.wait(90), demo.output()


def test_the_demo_ends_with_equal_books(tmp_path: Path) -> None:
    status, screen = _demo({}, tmp_path / "log")
    assert status == 0, screen
    assert len(re.findall(r" equal *$", screen, re.MULTILINE)) == 12
    assert "skipped" not in screen
    assert "Stripe's balance is explained to the cent, in every currency." in screen
    assert "14 payments, both books equal to the cent, nothing taken twice" in screen


@pytest.mark.long
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
