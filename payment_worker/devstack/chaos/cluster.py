"""Starts PostgreSQL, Valkey, the Stripe simulator and every worker process for a chaos run."""

import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from payment_worker.devstack import programs
from payment_worker.devstack.chaos.workload.generator import SECOND_ACCOUNT, SECOND_ACCOUNT_ID, SECOND_KEY
from payment_worker.devstack.ports import LOOPBACK, free_port
from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.devstack.servers.valkey import Valkey
from payment_worker.flows.events.event_types import SUBJECTS
from payment_worker.store.connection.migrate import upgrade

TIMINGS: Final[Mapping[str, str]] = {
    # As short as their order allows, so that leases expire, objects are declared absent and messages are redelivered.
    "PAYMENT_WORKER_STRIPE_TIMEOUT": "2",
    "PAYMENT_WORKER_LEASE": "6",
    "PAYMENT_WORKER_ABSENCE_DELAY": "6",
    # The simulator forgets idempotency keys after a minute, so a key that is used too late charges twice.
    "PAYMENT_WORKER_KEY_SAFE_AGE": "40",
    "PAYMENT_WORKER_RESUME_EVERY": "1",
    "PAYMENT_WORKER_PUBLISH_EVERY": "1",
    "PAYMENT_WORKER_POLL_EVERY": "5",
    "PAYMENT_WORKER_POLL_OVERLAP": "20",
    "PAYMENT_WORKER_RECONCILE_EVERY": "3600",
    "PAYMENT_WORKER_VISIBILITY_TIMEOUT": "30",
    # Customers never come back, and each payment that is reported as fraud is refunded.
    "PAYMENT_WORKER_ACTION_EXPIRY": "10",
    "PAYMENT_WORKER_FRAUD_REFUND_WITHIN": "86400",
    "PAYMENT_WORKER_LOG_FORMAT": "json",
}

SIMULATOR_TIMINGS: Final[Mapping[str, object]] = {
    "latency_seconds": 0.02,
    "idempotency_key_seconds": 60,
    "processing_delay_seconds": 3,
    "pending_refund_delay_seconds": 3,
    "refund_failure_delay_seconds": 4,
    "webhook_retry_seconds": [1, 2, 4, 8],
    "webhook_timeout_seconds": 5,
    "event_lag_seconds": 3,
    "event_lag_every": 7,
}
LEASE_SECONDS: Final = float(TIMINGS["PAYMENT_WORKER_LEASE"])


@dataclass(kw_only=True)
class Cluster:
    """The running servers and processes. `processes` maps name to process; a `prefork` worker has child processes."""

    directory: Path
    settings: dict[str, str]
    postgresql: PostgreSQL
    valkey: Valkey
    simulator: Simulator
    processes: dict[str, Process]

    @property
    def workers(self) -> list[str]:
        """The names of the workers."""
        return [name for name in self.processes if name.startswith("worker")]


@contextmanager
def running(*, seed: int, quietly: bool) -> Iterator[Cluster]:
    """Start all servers and processes, and stop them at the end. The directory with the logs is kept.

    Args:
        seed: decides which requests to Stripe fail.
        quietly: whether only warnings are logged.
    """
    with ExitStack() as started:
        directory = Path(tempfile.mkdtemp(prefix=f"payment-worker-chaos-{seed}-"))
        postgresql = started.enter_context(PostgreSQL())
        valkey = started.enter_context(Valkey())
        database_url = postgresql.create_database("payments")
        upgrade(database_url)
        port, secret, second = free_port(), *(f"whsec_{secrets.token_hex(16)}" for _ in range(2))
        endpoints = {"acct_simulator": secret, SECOND_ACCOUNT_ID: second}
        simulator = _simulator(directory, seed=seed, port=port, endpoints=endpoints)
        started.callback(simulator.stop)
        settings = {
            **TIMINGS,
            "PAYMENT_WORKER_LOG_LEVEL": "WARNING" if quietly else "INFO",
            "DATABASE_URL": database_url,
            "REDIS_URL": valkey.url(),
            "STRIPE_API_BASE": simulator.url,
            "STRIPE_API_KEY": f"sk_test_{secrets.token_hex(12)}",
            "STRIPE_API_KEYS": f"{SECOND_ACCOUNT}={SECOND_KEY}",
            "STRIPE_WEBHOOK_SECRET": f"{secret},{SECOND_ACCOUNT}={second}",
        }
        processes = _programs(settings, directory, port)
        # Together: each of them spends its first two seconds importing.
        for process in processes.values():
            started.enter_context(process.start())
        for process in processes.values():
            process.wait_ready()
        yield Cluster(
            directory=directory,
            settings=settings,
            postgresql=postgresql,
            valkey=valkey,
            simulator=simulator,
            processes=processes,
        )


def _simulator(directory: Path, *, seed: int, port: int, endpoints: Mapping[str, str]) -> Simulator:
    url = f"http://{LOOPBACK}:{port}/webhooks/stripe"
    simulator = Simulator.start(directory, arguments=("--seed", str(seed)))
    simulator.post("settings", SIMULATOR_TIMINGS)
    # As the docs recommend: the event types that the worker handles, and one that it ignores.
    types = [*SUBJECTS, "charge.captured"]
    for account, secret in endpoints.items():
        # The second account has an event destination for thin events.
        payload = "thin" if account == SECOND_ACCOUNT_ID else "snapshot"
        fields = {
            "url": url,
            "secrets": [secret],
            "types": types,
            "account": account,
            "event_payload": payload,
        }
        simulator.post("webhooks/endpoints", fields)
    return simulator


def _programs(settings: dict[str, str], directory: Path, port: int) -> dict[str, Process]:
    return {
        # Two pools: prefork so that child processes can be killed, threads so that many tasks run at once.
        "worker-children": programs.worker(
            settings, directory=directory, name="worker-children", pool="prefork", concurrency=2
        ),
        "worker-threads": programs.worker(
            settings, directory=directory, name="worker-threads", pool="threads", concurrency=12
        ),
        "beat": programs.beat(settings, directory=directory),
        "webhook": programs.webhook(settings, directory=directory, port=port),
    }
