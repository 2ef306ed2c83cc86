"""A person closes a finding, or sets an event aside; who did it and why is kept and shown, until it is seen again."""

import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from payment_worker.domain.findings.kinds import Difference, FindingKind
from payment_worker.store.connection.database import Database
from payment_worker.store.reconciliation import findings
from payment_worker.store.reconciliation.findings import FindingStatus
from tests.cli.conftest import Run
from tests.harness.rows import Rows

FINDING = "SELECT * FROM reconciliation_finding"
SEEN = Difference(
    kind=FindingKind.PAYMENT_AMOUNT_DIFFERS,
    object_id="pi_1",
    payment_id=uuid4(),
    detail={"ours": 5000, "theirs": 6000},
)
EVENT = """
INSERT INTO stripe_event (event_id, type, livemode, payload, status, source, next_action_at, created_at, received_at,
                          finished_at)
VALUES (%s, 'charge.refunded', false, '{}', %s, 'webhook', %s, now(), now(), %s)
"""


def _see(database_url: str) -> None:
    database = Database(database_url)
    with database.begin() as connection:
        now = datetime.now(tz=UTC)
        findings.record(connection, SEEN, status=FindingStatus.OPEN, run_id=None, now=now)
    database.close()


@pytest.fixture
def finding_id(database_url: str, rows: Rows) -> str:
    """A finding that is open."""
    _see(database_url)
    return str(rows.one(FINDING)["finding_id"])


def test_a_finding_that_was_decided_is_closed_with_who_and_why(run: Run, rows: Rows, finding_id: str) -> None:
    assert finding_id in run("findings", "list").screen

    ran = run("findings", "close", finding_id, "--reason", "a tip")

    assert ran.status == 0
    row = rows.one(FINDING)
    assert row["status"] == "CLOSED"
    assert (row["closed_by"].startswith("ada on "), row["close_reason"]) == (
        True,
        "a tip",
    )
    assert row["closed_at"] == row["resolved_at"] is not None
    noted = rows.one("SELECT * FROM operator_action")
    assert (noted["action"], noted["subject"], noted["reason"]) == ("finding_closed", finding_id, "a tip")
    assert noted["actor"] == row["closed_by"]
    assert run("report").status == 0
    told = json.loads(run("report", "--show", "closed", "--json").out)
    assert told["findings"][0]["close_reason"] == "a tip"
    assert "a tip" in run("report", "--show", "closed").screen


def test_it_is_open_again_once_it_is_seen_again_and_says_who_closed_it(
    run: Run, rows: Rows, finding_id: str, database_url: str
) -> None:
    run("findings", "close", finding_id, "--reason", "tip")
    _see(database_url)
    row = rows.one(FINDING)
    assert (row["status"], row["resolved_at"], row["close_reason"]) == ("OPEN", None, "tip")
    assert "tip" in run("findings", "list").screen


@pytest.mark.parametrize("finding", ["1000000", str(2**63 - 1)])
def test_what_is_not_open_cannot_be_closed(run: Run, rows: Rows, finding_id: str, finding: str) -> None:
    assert run("findings", "close", finding, "--reason", "tip").status == 1
    assert run("findings", "close", finding_id, "--reason", "  ").status == 2
    assert rows.one(FINDING)["status"] == "OPEN"


@pytest.mark.parametrize("status", ["RECEIVED", "PARKED"])
def test_an_event_that_is_no_matter_of_ours_is_set_aside_with_who_and_why(
    run: Run, rows: Rows, status: str
) -> None:
    now = datetime.now(tz=UTC)
    rows(EVENT, "evt_1", status, *((now, None) if status == "RECEIVED" else (None, now)))

    assert run("events", "discard", "evt_1", "--reason", "of the old shop").status == 0

    row = rows.one("SELECT * FROM stripe_event")
    assert (row["status"], row["next_action_at"]) == ("IGNORED", None)
    assert row["outcome"].startswith("DISCARDED: ada on ")
    assert row["outcome"].endswith(": of the old shop")
    assert "of the old shop" in run("events", "list").screen
    assert run("events", "replay", "evt_1").status == 0
    noted = rows("SELECT action, subject, reason FROM operator_action ORDER BY operator_action_id")
    assert [tuple(each.values()) for each in noted] == [
        ("event_discarded", "evt_1", "of the old shop"),
        ("event_replayed", "evt_1", None),
    ]
    assert rows.one("SELECT * FROM stripe_event")["status"] == "RECEIVED"


def test_an_event_that_was_processed_cannot_be_set_aside(run: Run, rows: Rows) -> None:
    rows(EVENT, "evt_1", "PROCESSED", None, datetime.now(tz=UTC))
    assert run("events", "discard", "evt_1", "--reason", "of the old shop").status == 1
    assert run("events", "discard", "evt_2", "--reason", "of the old shop").status == 1
    assert rows.one("SELECT * FROM stripe_event")["status"] == "PROCESSED"
