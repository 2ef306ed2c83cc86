"""An example that charges, run as its reader would run it."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from payment_worker.contracts.envelope import schema
from tests.harness.rows import Rows

jsonschema = pytest.importorskip("jsonschema")


def charged_by(command: Sequence[str], *, directory: Path, redis_url: str, rows: Rows) -> str:
    """Run it until it ends: the payment that it says it sent, and whose success it has read."""
    done = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, "REDIS_URL": redis_url},
        timeout=90,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    sent, outcome = done.stdout.splitlines()
    payment = rows.one("SELECT payment_id::text, order_id, amount, status FROM payment")
    payment_id = str(payment["payment_id"])
    assert payment == {"payment_id": payment_id, "order_id": "4711", "amount": 1099, "status": "SUCCEEDED"}
    assert sent == f"sent {payment_id}"
    assert outcome.startswith("PaymentSucceeded {")
    jsonschema.validate(json.loads(outcome.partition(" ")[2]), schema("PaymentSucceeded"))
    return payment_id
