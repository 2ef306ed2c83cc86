"""A PostgreSQL that takes no writes is an outage: nothing is counted against a request, and all of it is done later."""

from collections.abc import Callable
from urllib.parse import urlsplit

from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.postgresql import PostgreSQL
from tests.harness.producer import Producer, a_charge
from tests.harness.rows import Rows

SOON = {"PAYMENT_WORKER_VISIBILITY_TIMEOUT": "8"}
"""What cannot be done comes back within two seconds."""


def test_a_charge_that_met_a_read_only_database_is_made_once_it_is_writable(
    postgresql: PostgreSQL,
    database_url: str,
    worker: Callable[..., Process],
    producer: Producer,
    rows: Rows,
) -> None:
    name = urlsplit(database_url).path[1:]
    postgresql.set_read_only(name, read_only=True)
    working = worker(pool="threads", settings=SOON)
    charge = a_charge()

    producer.charge(**charge)
    working.wait_for_output(r"(?s)(read-only \(25006\).*?database unavailable.*?){3}")
    postgresql.set_read_only(name, read_only=False)

    rows.wait_for(
        "SELECT 1 FROM payment WHERE payment_id = %s AND status = 'SUCCEEDED'", charge["payment_id"]
    )
    assert rows("SELECT task FROM rejected_request") == []
