"""A world with real workers, seen from the outside: what another app can send, and what anybody may look at."""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import redis

from payment_worker.devstack import programs
from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.devstack.waiting import DeadlineMissedError, wait_until
from tests.harness.books import Books
from tests.harness.fork_server import forked
from tests.harness.producer import Producer, a_charge, a_refund
from tests.harness.rows import Rows
from tests.harness.window import Window
from tests.harness.witness import Witness

SECRET = "whsec_simulator"
Json = dict[str, Any]

# As short as their order allows: a call to Stripe is shorter than a lease, and than what proves absence.
IMPATIENT: Mapping[str, str] = {
    "PAYMENT_WORKER_STRIPE_TIMEOUT": "1",
    "PAYMENT_WORKER_LEASE": "3",
    "PAYMENT_WORKER_ABSENCE_DELAY": "3",
    "PAYMENT_WORKER_RESUME_EVERY": "1",
    "PAYMENT_WORKER_PUBLISH_EVERY": "1",
    # Nothing in these tests is found by asking Stripe for its events, or by reconciling.
    "PAYMENT_WORKER_POLL_EVERY": "3600",
    "PAYMENT_WORKER_RECONCILE_EVERY": "3600",
    "PAYMENT_WORKER_VISIBILITY_TIMEOUT": "60",
    # One trouble after the other is no outage: what holds all calls back in one is tested elsewhere.
    "PAYMENT_WORKER_BREAKER_FAILURES": "10000",
    "PAYMENT_WORKER_LOG_FORMAT": "json",
}

# For a crowd on a busy machine, where nothing goes wrong: whoever is slow is not taken for dead.
PATIENT: Mapping[str, str] = {
    "PAYMENT_WORKER_STRIPE_TIMEOUT": "10",
    "PAYMENT_WORKER_LEASE": "20",
    "PAYMENT_WORKER_ABSENCE_DELAY": "20",
}

# What is done is archived and deleted as soon as somebody prunes.
FORGETFUL: Mapping[str, str] = {
    "PAYMENT_WORKER_RETENTION_MONEY": "0.1",
    "PAYMENT_WORKER_RETENTION_EVENTS": "0.1",
    "PAYMENT_WORKER_RETENTION_OUTBOX": "0.1",
    "PAYMENT_WORKER_REPUBLISH_WINDOW": "0.1",
}

TROUBLES: Mapping[str, Json] = {
    "silence after the effect": {"kind": "hang", "when": "after"},
    "silence before it": {"kind": "hang", "when": "before"},
    "a stored 500 that hides the effect": {"kind": "server_error", "when": "after"},
    "no trouble": {},
}
"""Faults of the simulator that leave an outcome unknown, and none."""


class Scene:
    """A Payment Database, a Redis, a Stripe, the app that enqueues, and as many workers as a test starts."""

    def __init__(
        self,
        *,
        database_url: str,
        redis_url: str,
        simulator: Simulator,
        directory: Path,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.simulator, self.directory, self.redis_url = simulator, directory, redis_url
        self.settings = {
            **IMPATIENT,
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "STRIPE_API_BASE": simulator.url,
            "STRIPE_API_KEY": "sk_test_simulator",
            "STRIPE_WEBHOOK_SECRET": SECRET,
            **(settings or {}),
        }
        self._open, self._processes = ExitStack(), ExitStack()
        self.rows = Rows(database_url)
        self._open.callback(self.rows.close)
        self.producer = Producer(redis_url)
        self._open.callback(self.producer.close)
        self.redis = redis.Redis.from_url(redis_url, decode_responses=True)
        self._open.callback(self.redis.close)
        self.witness = self._open.enter_context(Witness(redis_url))
        self.books = Books(self.rows, simulator, self.redis)
        self._programs: list[Process] = []

    def worker(self, **flags: Any) -> Process:  # noqa: ANN401 those of `programs.worker`
        """Start a worker; `ready` waits for all that were started."""
        flags = {"name": f"worker{len(self._programs)}", "pool": "threads", "concurrency": 8, **flags}
        return self._start(programs.worker(self.settings, directory=self.directory, **flags))

    def beat(self) -> Process:
        """Start beat."""
        name = f"beat{len(self._programs)}"
        return self._start(programs.beat(self.settings, directory=self.directory, name=name))

    def runs(self) -> Counter[str]:
        """How often each task was begun, as `celery inspect stats` shows; housekeeping sends no events."""
        workers = self.producer.app.control.inspect(timeout=2).stats() or {}
        return sum((Counter(each["total"]) for each in workers.values()), Counter())

    def running(self) -> list[int]:
        """The ids of the processes that were started here and still run."""
        return [process.pid for process in self._programs if process.running]

    def _start(self, process: Process) -> Process:
        self._programs.append(process)
        return self._processes.enter_context(forked(process).start())

    def ready(self, *processes: Process) -> Self:
        """Wait until these are ready: they start side by side."""
        for process in processes:
            process.wait_ready()
        return self

    def charge(self, *, copies: int = 1, **changes: object) -> str:
        """Send an ordinary charge, and return its payment's id."""
        arguments = a_charge(**changes)
        for _ in range(copies):
            self.producer.charge(**arguments)
        return str(arguments["payment_id"])

    def close_books(self) -> None:
        """Have all that happened so far posted, and cleared, as it is some minutes later."""
        self.simulator.advance(2)
        self.witness.wait_for_end([self.producer.send("payment_worker.import_balance", "maintenance", {})])
        self.rows(
            "INSERT INTO ledger_progress (history_id) SELECT max(history_id) FROM payment_history"
            " ON CONFLICT (is_only) DO UPDATE SET history_id = excluded.history_id"
        )

    def refund(self, payment_id: str, *, copies: int = 1, **changes: object) -> str:
        """Send a refund, and return its id."""
        arguments = a_refund(payment_id, **changes)
        for _ in range(copies):
            self.producer.refund(**arguments)
        return str(arguments["refund_id"])

    def paid(self, **changes: Any) -> str:  # noqa: ANN401 what a charge may have
        """A payment that has succeeded."""
        payment_id = self.charge(**changes)
        self.payment(payment_id, "SUCCEEDED")
        return payment_id

    def payment(self, payment_id: str, *statuses: str, seconds: float = 25) -> Json:
        """Wait until a payment has one of these statuses, and return its row."""
        return self._row("payment", payment_id, statuses, seconds)

    def refund_row(self, refund_id: str, *statuses: str, seconds: float = 25) -> Json:
        """Wait until a refund has one of these statuses, and return its row."""
        return self._row("refund", refund_id, statuses, seconds)

    def _row(self, table: str, identity: str, statuses: Iterable[str], seconds: float) -> Json:
        wanted, query = set(statuses), f"SELECT * FROM {table} WHERE {table}_id = %s"  # noqa: S608 ours

        def arrived() -> list[Json]:
            return [row for row in self.rows(query, identity) if row["status"] in wanted]

        try:
            return wait_until(arrived, seconds=seconds, every_seconds=0.02)[0]
        except DeadlineMissedError:
            told = [self.rows(query, identity), self.history(identity), self.posts(identity)]
            raise AssertionError(f"{table} {identity} is not {wanted} in {seconds} s: {told}") from None

    def history(self, identity: str) -> list[str]:
        """The statuses that a refund, or a payment itself, has come to, in order."""
        found = self.rows(
            "SELECT to_status FROM payment_history WHERE refund_id = %s"
            " OR payment_id = %s AND refund_id IS NULL ORDER BY history_id",
            identity,
            identity,
        )
        return [row["to_status"] for row in found]

    def posts(self, identity: str) -> list[Json]:
        """What Stripe was asked to do for this payment itself, or for this refund; oldest first."""
        name = {"payment_intents.create": "payment_id", "refunds.create": "refund_id"}
        return [
            entry
            for entry in self.simulator.journal()
            if entry["endpoint"] in name
            and entry["params"].get("metadata", {}).get(name[entry["endpoint"]]) == identity
        ]

    def wait_for_post(self, identity: str) -> Json:
        """Wait until Stripe has heard a request for this payment or refund."""
        return wait_until(lambda: self.posts(identity), what=f"a request for {identity}")[0]

    def wait_for_event(self, kind: str, task: str, shown: str) -> None:
        """Wait until a worker has told of such an event of a task that shows this id among its arguments."""

        def told() -> list[Json]:
            received = self.witness.heard("task-received")
            ids = {each["uuid"] for each in received if each["name"] == task and shown in each["kwargs"]}
            return [each for each in self.witness.heard(kind) if each["uuid"] in ids]

        wait_until(told, what=f"{kind} of {task} {shown}")

    def fault(
        self, kind: str, *, charge: str | None = None, refund: str | None = None, **fields: object
    ) -> str:
        """Have Stripe misbehave when it is asked to make this charge or this refund."""
        endpoint = "refunds.create" if refund else "payment_intents.create"
        metadata = {"refund_id": refund} if refund else {"payment_id": charge}
        return self.simulator.fault(kind, endpoint=endpoint, metadata=metadata, **fields)

    def wait_until_idle(self) -> None:
        """Wait until no message waits, and none is being run."""
        queues = ("charges", "refunds", "events", "maintenance", "unacked")

        def busy() -> list[str]:
            return [name for name in queues if self.redis.exists(name)]

        wait_until(lambda: not busy(), seconds=20, what="empty queues")

    def hand_on_webhooks(
        self, *types: str, event_payload: str = "snapshot", secret: str = SECRET, account: str | None = None
    ) -> str:
        """Have our app take in Stripe's webhooks, of one account or of all, and hand them on; the endpoint's id."""

        def hand_on(payload: str, signature: str) -> None:
            self.producer.receive_stripe_event(payload=payload, signature=signature)

        window = self._open.enter_context(Window(hand_on))
        endpoint = {
            "url": window.url,
            "secrets": [secret],
            "account": account,
            "types": list(types) or ["*"],
            "event_payload": event_payload,
        }
        return str(self.simulator.post("webhooks/endpoints", endpoint)["id"])

    def post_to_stripe(self, objects: str, *, key: str, **parameters: object) -> None:
        """What some other program asks of the same Stripe account."""
        request = Request(  # noqa: S310 our own simulator
            f"{self.simulator.url}/v1/{objects}",
            data=urlencode(parameters).encode(),
            headers={"Authorization": "Bearer sk_test_simulator", "Idempotency-Key": key},
        )
        with urlopen(request, timeout=10):  # noqa: S310 likewise
            pass

    def wait_for_log(self, *parts: str) -> None:
        """Wait until a worker has written a line with all of these parts."""

        def told() -> list[str]:
            logs = [log.read_text(errors="replace") for log in self.directory.glob("*.log")]
            lines = (line for log in logs for line in log.splitlines())
            return [line for line in lines if all(part in line for part in parts)]

        wait_until(told, seconds=20, what=f"a log line with {parts}", every_seconds=0.1)

    def kill_processes(self) -> None:
        """End every worker and beat."""
        self._processes.close()

    def close(self) -> None:
        """End everything that was started."""
        self.kill_processes()
        self._open.close()
