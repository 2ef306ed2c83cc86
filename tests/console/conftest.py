"""The console as a process of its own, and people who look at it with a browser that knows no script."""

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from payment_worker.devstack import programs
from payment_worker.devstack.ports import LOOPBACK, free_port
from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.devstack.servers.valkey import Valkey
from tests.harness.fork_server import forked
from tests.harness.rows import Rows

READER, OPERATOR = "ada:reads-only-4711", "grace:may-act-4712"
SETTINGS = {
    "PAYMENT_WORKER_CONSOLE_AUTH": f"{READER},{OPERATOR}",
    "PAYMENT_WORKER_CONSOLE_OPERATORS": "grace",
}
PAGES = (
    "/",
    "/payments",
    "/refunds",
    "/findings",
    "/unknown",
    "/events",
    "/requests/rejected",
    "/balance",
    "/payouts",
    "/actions",
)
_SHARED = "shared_console"


@dataclass(frozen=True)
class Page:
    """What the console answered."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True)
class Visitor:
    """Somebody who asks a console for pages."""

    port: int
    pair: str | None = None
    headers: Mapping[str, str] | None = None

    def get(self, path: str, **query: str) -> Page:
        """Ask for a page."""
        return self.ask("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, form: Mapping[str, Any] | str) -> Page:
        """Send a form."""
        body = form if isinstance(form, str) else urlencode(form, doseq=True)
        return self.ask("POST", path, body, {"content-type": "application/x-www-form-urlencoded"})

    def ask(
        self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Page:
        """Send any request."""
        sent = {**(headers or {}), **(self.headers or {})}
        if self.pair is not None:
            sent["authorization"] = f"Basic {base64.b64encode(self.pair.encode()).decode()}"
        with closing(HTTPConnection(LOOPBACK, self.port, timeout=30)) as connection:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Page(answer.status, told, answer.read().decode())


@dataclass(frozen=True)
class Running:
    """A console that runs."""

    process: Process
    port: int

    @property
    def reader(self) -> Visitor:
        """Somebody who may read."""
        return Visitor(self.port, READER)

    @property
    def operator(self) -> Visitor:
        """Somebody who may act, too."""
        return Visitor(self.port, OPERATOR)

    @property
    def stranger(self) -> Visitor:
        """Somebody who has no password."""
        return Visitor(self.port)


Start = Callable[..., Running]


@pytest.fixture
def console(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts consoles in this test's world: `console(settings={…})`."""
    with ExitStack() as started:

        def start(*, settings: dict[str, str] | None = None) -> Running:
            port = free_port()
            chosen = {**environment, **SETTINGS, **(settings or {})}
            process = programs.console(chosen, directory=tmp_path, port=port)
            return Running(started.enter_context(forked(process).start()).wait_ready(), port)

        yield start


@pytest.fixture(scope="session")
def shared_console(
    postgresql: PostgreSQL, migrated_template: str, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """One console for all tests that only add rows of their own."""
    settings = {
        "DATABASE_URL": postgresql.create_database(_SHARED, template=migrated_template),
        "REDIS_URL": valkey.url(0),
        "PAYMENT_WORKER_CONSOLE_FLOWER_URL": "http://flower.example",
        **SETTINGS,
    }
    port = free_port()
    process = programs.console(settings, directory=tmp_path_factory.mktemp("console"), port=port)
    with forked(process).start():
        yield Running(process.wait_ready(), port)


@pytest.fixture
def shared_rows(shared_console: Running, postgresql: PostgreSQL) -> Iterator[Rows]:
    """Queries of the shared console's database."""
    assert shared_console.process.running
    with closing(Rows(postgresql.url(_SHARED))) as reader:
        yield reader


def a_payment(rows: Rows, **values: object) -> dict[str, Any]:
    """A payment that succeeded, but for what the test says of it."""
    row: dict[str, object] = {
        "payment_id": str(uuid4()),
        "order_id": f"order {uuid4()}",
        "amount": 4999,
        "currency": "EUR",
        "status": "SUCCEEDED",
        "payment_method": "pm_1",
        "capture_method": "automatic",
        "fingerprint": "x",
        "stripe_payment_intent_id": f"pi_{uuid4().hex}",
        **values,
    }
    if row["status"] == "SUCCEEDED":
        row = {"amount_authorized": row["amount"], "amount_captured": row["amount"], **row}
    row.setdefault("created_at", rows.one("SELECT now()")["now"])
    row.setdefault("updated_at", row["created_at"])
    names, marks = ", ".join(row), ", ".join(["%s"] * len(row))
    return rows.one(f"INSERT INTO payment ({names}) VALUES ({marks}) RETURNING *", *row.values())  # noqa: S608
