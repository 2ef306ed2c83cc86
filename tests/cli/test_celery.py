"""`celery -A payment_worker …` with settings that have faults tells all of them, and shows no traceback."""

import subprocess
import sys

import pytest

from payment_worker.devstack.programs import clean_environment

FAULTS = {"PAYMENT_WORKER_LEASE": "abc", "DATABASE_URL": "mysql://root:planted@127.0.0.1/payments"}
TOLD = (
    "Invalid settings:\n"
    "  DATABASE_URL: must begin with postgresql://\n"
    "  PAYMENT_WORKER_LEASE: Input should be a valid number, unable to parse string as a number\n"
    "  REDIS_URL: must be set\n"
)


def _python(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=clean_environment(settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("command", "also"),
    [("worker", "  STRIPE_API_KEY: must be set\n"), ("beat", ""), ("inspect ping", "")],
)
def test_every_fault_is_reported_in_one_round(command: str, also: str) -> None:
    ran = _python("-m", "celery", "-A", "payment_worker", *command.split(), **FAULTS)

    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", TOLD + also)


def test_without_any_setting_the_required_ones_are_named() -> None:
    ran = _python("-m", "celery", "-A", "payment_worker", "worker")

    missing = ("REDIS_URL", "DATABASE_URL", "STRIPE_API_KEY")
    assert ran.returncode == 2
    assert ran.stderr == "".join(("Invalid settings:\n", *(f"  {name}: must be set\n" for name in missing)))


def test_a_program_that_loads_the_application_gets_an_exception_to_catch() -> None:
    program = (
        "from payment_worker.celery import app\n"
        "from payment_worker.settings import SettingsError\n"
        "try:\n    app.conf.broker_url\n"
        "except SettingsError as error:\n    print(error)\n"
    )

    assert _python("-c", program, **FAULTS).stdout == TOLD
