"""Apps in another language enqueue charges and read outcomes with their own libraries, and nothing of ours."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from payment_worker.contracts.envelope import schema
from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.simulator import Simulator
from tests.foreign.charged import charged_by
from tests.harness.rows import Rows
from tests.harness.tools import missing, tool

jsonschema = pytest.importorskip("jsonschema")

EXAMPLES = Path(__file__).parents[2] / "examples" / "node"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example app with its packages installed."""
    npm = tool("npm", comes_with="Node.js")
    directory = tmp_path_factory.mktemp("node") / "app"
    shutil.copytree(EXAMPLES, directory, ignore=shutil.ignore_patterns("node_modules"))
    flags = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts")
    done = subprocess.run(
        [npm, "install", *flags], cwd=directory, capture_output=True, text=True, timeout=100, check=False
    )
    if done.returncode != 0:
        missing("npm could not install celery-node, ioredis and stripe: the foreign clients were not run")
    return directory


def test_a_node_app_charges_and_another_reads_what_came_of_it(
    app: Path, worker: Callable[..., Process], redis_url: str, rows: Rows, tmp_path: Path
) -> None:
    node = tool("node", comes_with="Node.js")
    worker()
    payment_id = charged_by([node, "charge.mjs"], directory=app, redis_url=redis_url, rows=rows)

    environment = {**os.environ, "REDIS_URL": redis_url}
    consumer = Process(
        [node, "outcomes.mjs", "shop", "one"], log=tmp_path / "node.log", environ=environment, cwd=app
    )
    with consumer.start():
        consumer.wait_for_output(r"PaymentSucceeded", seconds=30)
        told = [json.loads(line) for line in consumer.output().splitlines() if line.startswith("{")]
    assert [message["type"] for message in told] == ["PaymentRequested", "PaymentSucceeded"]
    for message in told:
        assert message["subject"] == payment_id
        jsonschema.validate(message["data"], schema(message["type"]))


def test_stripes_own_library_for_node_takes_the_simulator_as_it_comes(
    app: Path, simulator: Simulator
) -> None:
    node = tool("node", comes_with="Node.js")
    done = subprocess.run(
        [node, "stripe.mjs"],
        cwd=app,
        env={**os.environ, "STRIPE_API_BASE": simulator.url},
        timeout=60,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == ["succeeded", "succeeded", "501 not_built"], done.stderr
    (intent,) = simulator.ledger()["payment_intents"]
    assert (intent["captured"], intent["refunded"]) == (1099, 500)
