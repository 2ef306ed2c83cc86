"""Nothing is doubled, lost or stuck in a small run of `make chaos`."""

import subprocess
import sys

import pytest

MINUTES = 8
"""Half a minute of faults, and what a busy machine needs to finish all work after them."""


@pytest.mark.long
@pytest.mark.timeout(60 * MINUTES)
def test_every_payment_ends_as_at_stripe_whatever_is_killed() -> None:
    flags = ("--payments", "60", "--seed", "1", "--seconds", "25", "--kill-every", "1.8")
    command = [sys.executable, "-m", "payment_worker.devstack.chaos", *flags]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert run.returncode == 0, run.stdout
