"""A sentinel, as groups of Redis servers have them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from payment_worker.devstack.ports import LOOPBACK, answers, free_port
from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.binaries import valkey_server
from payment_worker.devstack.servers.valkey import Valkey


@pytest.fixture
def sentinel(own_valkey: Valkey, tmp_path: Path) -> Iterator[str]:
    """A sentinel that watches a master `payments`. Its host and port."""
    port = free_port()
    configuration = tmp_path / "sentinel.conf"
    configuration.write_text(
        f"bind {LOOPBACK}\nport {port}\nsentinel monitor payments {LOOPBACK} {own_valkey.port} 1\n"
    )
    command: list[str | Path] = [valkey_server(), configuration, "--sentinel"]
    log = tmp_path / "sentinel.log"
    with Process(command, log=log, ready=lambda: answers(port), cwd=tmp_path).start().wait_ready():
        yield f"{LOOPBACK}:{port}"
