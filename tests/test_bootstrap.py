"""A process holds one of each: its threads share it, and its children make their own, or share its memory."""

import json
import subprocess
import sys

from payment_worker.devstack.programs import clean_environment

THREADS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from payment_worker.bootstrap import process

sys.setswitchinterval(1e-6)
together = Barrier(50)

def ask(_):
    together.wait()
    return process()

with ThreadPoolExecutor(50) as pool:
    made = list(pool.map(ask, range(50)))
print(len({id(each) for each in made}))
"""

CHILD = """
import os
from payment_worker import bootstrap

of_parent = bootstrap.process()
with bootstrap._held.lock:  # as if another thread were making it
    child = os.fork()
    if not child:
        os._exit(0 if bootstrap.process() is not of_parent else 1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

WORKER = """
import gc, json, sys
import payment_worker.broker.consumer, payment_worker.tasks
from celery.signals import celeryd_after_setup

loaded = len(gc.get_objects())
celeryd_after_setup.send(sender="worker", instance=None, conf=None)  # before Celery forks the first child
print(json.dumps({"frozen": gc.get_freeze_count() / loaded, "modules": sorted(sys.modules)}))
"""

OTHERS = {
    *("alembic", "anyio", "jinja2", "requests", "rich", "starlette", "typer", "urllib3", "uvicorn"),
    *(
        f"payment_worker.{part}"
        for part in ("cli", "console", "devstack", "http_server", "simulator", "webhook")
    ),
    "payment_worker.monitoring.collector",
}
"""What other programs of ours need, or what a library loads if it is there. Each would be held by every worker."""


def test_many_threads_that_begin_at_once_share_one(environment: dict[str, str]) -> None:
    assert _printed(THREADS, environment) == "1\n"


def test_a_child_makes_its_own_even_if_it_began_while_its_parent_did(environment: dict[str, str]) -> None:
    assert _printed(CHILD, environment) == "0\n"


def test_a_worker_loads_only_what_it_uses_and_shares_it_with_its_children(
    environment: dict[str, str],
) -> None:
    worker = json.loads(_printed(WORKER, environment))

    assert {"structlog", "payment_worker.tasks.payments"} <= set(worker["modules"])
    assert "stripe._stripe_client" in worker["modules"], "each child would load it for itself"
    assert OTHERS.isdisjoint(worker["modules"])
    # What is frozen is not collected, and collections are what writes into all that a child shares.
    assert worker["frozen"] > 0.9


def _printed(program: str, environment: dict[str, str]) -> str:
    """What a little Python says in the environment of a worker."""
    command, settings = [sys.executable, "-c", program], clean_environment(environment)
    return subprocess.run(
        command, env=settings, stdout=subprocess.PIPE, text=True, check=True, timeout=30
    ).stdout
