"""A whole installation that has seen everything at least once, and what it tells Prometheus."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from uuid import uuid4

import pytest
import redis

from payment_worker.devstack import programs
from payment_worker.devstack.ports import free_port
from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.devstack.servers.valkey import Valkey
from payment_worker.devstack.waiting import wait_until
from tests.harness.fork_server import forked
from tests.harness.producer import Producer
from tests.harness.rows import Rows
from tests.monitoring.scraping import Scrape, scrape

_REDIS_DATABASE = 3999  # far from those that others count up to


@pytest.fixture(scope="module")
def installation(
    postgresql: PostgreSQL,
    migrated_template: str,
    valkey: Valkey,
    stripe_simulator_server: Simulator,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Scrape]]:
    """What worker, beat and receiver tell after a payment, a refund, a decline and a few sweeps."""
    directory = tmp_path_factory.mktemp("installation")
    ports = {name: free_port() for name in ("worker", "beat", "webhook")}
    redis_url = valkey.url(_REDIS_DATABASE)
    with closing(redis.Redis.from_url(redis_url)) as client:
        client.flushdb()
    stripe_simulator_server.reset()
    database_url = postgresql.create_database("installation", template=migrated_template)
    settings = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "STRIPE_API_BASE": stripe_simulator_server.url,
        "STRIPE_API_KEY": "sk_test_simulator",
        "STRIPE_WEBHOOK_SECRET": "whsec_simulator",
        **{f"PAYMENT_WORKER_{name}_EVERY": "1" for name in ("RESUME", "PUBLISH", "POLL", "RECONCILE")},
    }

    def told_at(name: str) -> dict[str, str]:
        return {**settings, "PAYMENT_WORKER_METRICS_PORT": str(ports[name])}

    with ExitStack() as started:
        for process in (
            programs.worker(told_at("worker"), directory=directory, pool="threads"),
            programs.beat(told_at("beat"), directory=directory),
            programs.webhook(settings, directory=directory, port=ports["webhook"]),
        ):
            started.enter_context(forked(process).start()).wait_ready()
        rows = started.enter_context(closing(Rows(database_url)))
        _something_of_everything(started.enter_context(closing(Producer(redis_url))), rows)
        wait_until(lambda: scrape(ports["beat"]).value("payment_worker_reconciled_seconds") is not None)
        yield {name: scrape(port) for name, port in ports.items()}
    postgresql.drop_database("installation")


def _something_of_everything(producer: Producer, rows: Rows) -> None:
    paid, refund_id = producer.charge_something(), str(uuid4())
    producer.charge_something(payment_method="pm_card_chargeDeclined")
    rows.wait_for("SELECT * FROM payment WHERE status = 'SUCCEEDED'")
    producer.refund(refund_id=refund_id, payment_id=paid)
    rows.wait_for("SELECT * FROM refund WHERE status = 'PROCESSED'")
