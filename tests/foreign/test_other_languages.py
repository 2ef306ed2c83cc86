"""The examples in Ruby and PHP: they send a charge and read its outcome with their standard libraries alone."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from payment_worker.contracts.messages import schema
from payment_worker.devstack.processes import Process
from tests.harness.rows import Rows
from tests.harness.tools import tool

jsonschema = pytest.importorskip("jsonschema")

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("program", "package", "file"), [("ruby", "ruby", "charge.rb"), ("php", "php-cli", "charge.php")]
)
def test_its_charge_is_made_and_its_outcome_read(
    *, worker: Callable[..., Process], redis_url: str, rows: Rows, program: str, package: str, file: str
) -> None:
    found = tool(program, comes_with=f"Debian's package {package}")
    worker(pool="threads")

    done = subprocess.run(
        [found, file],
        cwd=EXAMPLES / program,
        env={**os.environ, "REDIS_URL": redis_url},
        timeout=90,
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    sent, outcome = done.stdout.splitlines()
    payment = rows.one("SELECT payment_id::text, order_id, amount, status FROM payment")
    assert sent == f"sent {payment['payment_id']}"
    assert (payment["order_id"], payment["amount"], payment["status"]) == ("4711", 1099, "SUCCEEDED")
    assert outcome.startswith("PaymentSucceeded {")
    jsonschema.validate(json.loads(outcome.partition(" ")[2]), schema("PaymentSucceeded"))
    assert rows("SELECT * FROM rejected_request") == []
