"""PostgreSQL restored to an older point: what Stripe did since comes back, and nothing is done twice.

A day passes before the restore, so that Stripe has forgotten every key; and all that was asked for since the backup is
asked for again, as callers do that do not know what has become of it. The steps are those of
`docs/how-to/back-up-and-restore.md`.
"""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from payment_worker.devstack.programs import clean_environment
from payment_worker.devstack.servers.binaries import postgres_bin
from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.devstack.servers.valkey import Valkey
from tests.acceptance.scene import Json, Scene
from tests.harness.books import Books
from tests.harness.producer import a_charge, a_refund

KEYS_FORGOTTEN_SECONDS = 25 * 3600


@pytest.fixture
def scene(own_scene: Scene) -> Scene:
    """A scene whose database may be restored; nothing runs in it yet."""
    return own_scene


class _Trade:
    """What was done before the backup, and after it."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.paid, self.authorized = scene.paid(), scene.charge(capture_method="manual")
        scene.payment(self.authorized, "AUTHORIZED")
        self.charges: dict[str, Json] = {
            "SUCCEEDED": a_charge(customer_id="0f8fad5b-d9cb-469f-a165-70867728950e"),
            "FAILED": a_charge(payment_method="pm_card_chargeDeclined"),
            "AUTHORIZED": a_charge(capture_method="manual"),
        }
        self.refunds = [
            a_refund(self.paid, amount=100),
            a_refund(str(self.charges["SUCCEEDED"]["payment_id"])),
        ]

    def go_on(self) -> None:
        self.send_charges()
        self.charges_have_ended()
        self.send_changes()
        self.changes_have_ended()

    def send_charges(self) -> None:
        for charge in self.charges.values():
            self.scene.producer.charge(**charge)

    def send_changes(self) -> None:
        self.scene.producer.send("payment_worker.capture", "charges", {"payment_id": self.authorized})
        for refund in self.refunds:
            self.scene.producer.refund(**refund)

    def charges_have_ended(self) -> None:
        for status, charge in self.charges.items():
            self.scene.payment(charge["payment_id"], status)

    def changes_have_ended(self) -> None:
        self.scene.payment(self.authorized, "SUCCEEDED")
        for refund in self.refunds:
            self.scene.refund_row(refund["refund_id"], "PROCESSED")

    def money(self) -> list[Json]:
        """What really happened to it."""
        intents: list[Json] = self.scene.simulator.ledger()["payment_intents"]
        return intents


class _Database:
    """The Payment Database as an administrator holds it."""

    def __init__(self, server: PostgreSQL, directory: Path) -> None:
        self._server, self._file = server, directory / "payments.dump"

    def back_up(self) -> str:
        """Copy it to a file, while it is used; when that was, as `--since` takes it."""
        began_at = datetime.now(tz=UTC) - timedelta(days=7)
        self._run("pg_dump", "--format=custom", f"--file={self._file}", "payments")
        return began_at.isoformat()

    def restore(self) -> None:
        """Have it say what the file says, and nothing else."""
        self._server.drop_database("payments")
        self._server.create_database("payments")
        self._run("pg_restore", "--exit-on-error", "--dbname=payments", self._file)

    def _run(self, program: str, *arguments: object) -> None:
        url = urlsplit(self._server.url())
        command = [
            postgres_bin() / program,
            *("--host=127.0.0.1", f"--port={url.port}", f"--username={url.username}"),
            *arguments,
        ]
        environ = {"PGPASSWORD": str(url.password), "PATH": "/usr/bin:/bin"}
        subprocess.run([str(part) for part in command], env=environ, check=True, timeout=60)


@pytest.fixture
def database(own_postgresql: PostgreSQL, tmp_path: Path) -> _Database:
    return _Database(own_postgresql, tmp_path)


def _command(scene: Scene, *arguments: str) -> str:
    """What an operator types, and what is printed."""
    done = subprocess.run(
        [sys.executable, "-m", "payment_worker", *arguments],
        env=clean_environment(scene.settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _lost_a_day_ago(scene: Scene, database: _Database) -> tuple[_Trade, str]:
    """A trade that went on after the backup, and whose database is as it was then."""
    processes = scene.worker(), scene.beat()
    scene.ready(*processes)
    trade = _Trade(scene)
    since = database.back_up()
    trade.go_on()
    for process in processes:
        process.stop()
    database.restore()
    scene.rows.reconnect()
    assert len(scene.rows("SELECT 1 FROM payment")) == 2
    scene.simulator.advance(KEYS_FORGOTTEN_SECONDS)
    return trade, since


def test_a_reconciliation_before_any_worker_starts_brings_back_what_stripe_did(
    scene: Scene, database: _Database
) -> None:
    trade, since = _lost_a_day_ago(scene, database)
    money = trade.money()

    assert "repaired  6" in _command(scene, "reconcile", "--since", since)

    trade.charges_have_ended()
    trade.changes_have_ended()
    scene.ready(scene.worker(), scene.beat())
    _asked_again(trade)
    assert trade.money() == money


@pytest.mark.long
def test_requests_that_come_before_the_reconciliation_wait_while_all_is_paused(
    scene: Scene, database: _Database, own_valkey: Valkey
) -> None:
    """And Redis has lost its memory too."""
    trade, since = _lost_a_day_ago(scene, database)
    money = trade.money()
    own_valkey.restart(empty=True)

    _command(scene, "pause", "--reason", "restored")
    scene.ready(scene.worker(), scene.beat())
    trade.send_charges()
    trade.send_changes()
    for charge in trade.charges.values():
        scene.payment(charge["payment_id"], "REQUESTED")
    _command(scene, "reconcile", "--since", since)
    _command(scene, "resume")

    trade.charges_have_ended()
    trade.changes_have_ended()
    _asked_again(trade)
    assert trade.money() == money


def _asked_again(trade: _Trade) -> None:
    scene = trade.scene
    trade.send_charges()
    trade.send_changes()
    scene.wait_until_idle()
    trade.charges_have_ended()
    trade.changes_have_ended()
    assert scene.rows("SELECT 1 FROM rejected_request") == []
    assert scene.rows("SELECT 1 FROM reconciliation_finding WHERE status = 'OPEN'") == []
    # The attempts of what was brought back stay lost; and its messages are told under ids that readers may know.
    Books(scene.rows, scene.simulator, None).must_agree(but_for=["of no attempt"])
