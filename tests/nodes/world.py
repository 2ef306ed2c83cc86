"""What the nodes' tests see: an app's Celery, the Payment Database, Stripe's books; wherever the nodes run."""

from collections.abc import Mapping
from uuid import uuid4

import redis
from celery import Celery

from payment_worker.devstack.servers.simulator import RunningSimulator
from payment_worker.devstack.waiting import wait_until
from tests.harness.books import Books
from tests.harness.producer import a_charge
from tests.harness.rows import Rows

# A worker that died is missed within seconds: by Redis, which gives its message to another.
SETTINGS: Mapping[str, str] = {
    "STRIPE_API_KEY": "sk_test_simulator",
    "PAYMENT_WORKER_STRIPE_TIMEOUT": "2.5",
    "PAYMENT_WORKER_LEASE": "4",
    "PAYMENT_WORKER_ABSENCE_DELAY": "4",
    "PAYMENT_WORKER_VISIBILITY_TIMEOUT": "6",
}
_PATIENCE_SECONDS = 60


class World:
    """One setup of nodes. `app` is what pytest-celery made for this broker: it knows names of tasks, no code."""

    def __init__(
        self, *, app: Celery, rows: Rows, simulator: RunningSimulator, stream: "redis.Redis"
    ) -> None:
        self._app, self._rows, self.simulator = app, rows, simulator
        self._books = Books(rows, simulator, stream)

    def charge(self, *, copies: int = 1) -> str:
        """Enqueue a charge, and return its payment's id."""
        arguments = a_charge()
        for _ in range(copies):
            self._app.send_task("payment_worker.charge", queue="charges", kwargs=arguments)
        return str(arguments["payment_id"])

    def refund(self, payment_id: str, *, amount: int) -> str:
        """Enqueue a refund, and return its id."""
        refund_id = str(uuid4())
        arguments = {"refund_id": refund_id, "payment_id": payment_id, "amount": amount}
        self._app.send_task("payment_worker.refund", queue="refunds", kwargs=arguments)
        return refund_id

    def wait_until_paid(self, *payment_ids: str) -> None:
        """Wait until all of these have succeeded."""
        self._wait("SELECT payment_id::text AS id FROM payment WHERE status = 'SUCCEEDED'", payment_ids)

    def wait_until_refunded(self, *refund_ids: str) -> None:
        """Wait until all of these have been processed."""
        self._wait("SELECT refund_id::text AS id FROM refund WHERE status = 'PROCESSED'", refund_ids)

    def _wait(self, query: str, ids: tuple[str, ...]) -> None:
        def all_there() -> bool:
            return set(ids) <= {row["id"] for row in self._rows(query)}

        wait_until(all_there, seconds=_PATIENCE_SECONDS, every_seconds=0.05)

    def wait_until_asked(self, *payment_ids: str) -> None:
        """Wait until Stripe is being asked for all of these, and has answered for none."""
        wait_until(lambda: self._asked(payment_ids), seconds=_PATIENCE_SECONDS, every_seconds=0.05)
        statuses = {row["status"] for row in self._rows("SELECT status FROM payment")}
        assert statuses == {"REQUESTED"}

    def _asked(self, payment_ids: tuple[str, ...]) -> bool:
        asked = [entry["params"]["metadata"]["payment_id"] for entry in self.simulator.journal()]
        return set(payment_ids) <= set(asked)

    def must_agree(self) -> None:
        """Our rows, the messages and Stripe's own books, compared."""
        self._books.must_agree(seconds=_PATIENCE_SECONDS)
