"""The receiver as a process of its own, as in production."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from payment_worker.devstack import programs
from payment_worker.devstack.ports import LOOPBACK, free_port
from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.devstack.servers.valkey import Valkey
from tests.harness.fork_server import forked
from tests.harness.rows import Rows
from tests.webhook.sending import SECRET, Sender


@dataclass
class Receiver(Sender):
    """A receiver that runs."""

    process: Process
    port: int

    def __post_init__(self) -> None:
        Sender.__init__(self, f"http://{LOOPBACK}:{self.port}")


Start = Callable[..., Receiver]
_SHARED = "shared_receiver"


@pytest.fixture
def receiver(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts receivers: `receiver(settings={…})`. All are killed when the test ends."""
    with ExitStack() as started:

        def start(*, settings: dict[str, str] | None = None) -> Receiver:
            port = free_port()
            process = programs.webhook({**environment, **(settings or {})}, directory=tmp_path, port=port)
            return Receiver(started.enter_context(forked(process).start()).wait_ready(), port)

        yield start


@pytest.fixture(scope="session")
def shared_sender(
    postgresql: PostgreSQL, migrated_template: str, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Receiver]:
    """One receiver for all tests that only look at answers."""
    settings = {
        "DATABASE_URL": postgresql.create_database(_SHARED, template=migrated_template),
        "REDIS_URL": valkey.url(0),
        "STRIPE_WEBHOOK_SECRET": f"{SECRET},eu=whsec_eu",
    }
    port = free_port()
    process = programs.webhook(settings, directory=tmp_path_factory.mktemp("webhook"), port=port)
    with forked(process).start():
        yield Receiver(process.wait_ready(), port)


@pytest.fixture
def shared_rows(shared_sender: Receiver, postgresql: PostgreSQL) -> Iterator[Rows]:
    """Queries of the shared receiver's database."""
    assert shared_sender.process.running
    with closing(Rows(postgresql.url(_SHARED))) as reader:
        yield reader


Crew = Callable[[dict[str, str]], None]


@pytest.fixture
def crew(worker: Callable[..., Process], beat: Callable[..., Process]) -> Crew:
    """Starts a worker and beat with the same settings: whatever is due is found and done."""

    def start(settings: dict[str, str]) -> None:
        worker(pool="threads", concurrency=8, settings=settings)
        beat(settings=settings)

    return start
