"""A person reconciles a period, reads what was found, and tells a period once more."""

import csv
import io
import json
from uuid import uuid4

import pytest

from payment_worker.devstack.servers.simulator import Simulator
from tests.cli.conftest import Run
from tests.harness.rows import Rows

USAGE = 2
LOST = {"amount": 900, "currency": "eur", "payment_method": "pm_card_visa"}


@pytest.fixture
def lost_payment_id(simulator: Simulator, rows: Rows) -> str:
    """A PaymentIntent that claims to be ours and proves nothing, beside a payment that agrees with Stripe."""
    payment_id = str(uuid4())
    simulator.post("payment_intents", {**LOST, "metadata": {"payment_id": payment_id, "order_id": "A-1001"}})
    intent = simulator.post("payment_intents", LOST)
    rows(
        "INSERT INTO payment (payment_id, order_id, amount, currency, status, amount_captured, payment_method,"
        " capture_method, fingerprint, stripe_payment_intent_id, created_at, updated_at) VALUES"
        " (gen_random_uuid(), gen_random_uuid(), 900, 'EUR', 'SUCCEEDED', 900, 'pm_card_visa', 'automatic',"
        " 'f', %s, now(), now())",
        intent["id"],
    )
    return payment_id


def test_it_says_what_was_compared_and_found_and_leaves_with_1_while_something_is_open(
    run: Run, lost_payment_id: str
) -> None:
    done = run("reconcile", "--since", "2020-01-01")
    assert done.status == 1, done.err
    assert "compared  2 payments, 0 refunds, 0 disputes" in done.screen
    assert "left open 1" in done.screen

    report = run("report")
    assert report.status == 1
    assert "unverified_metadata" in report.screen
    assert "nothing" in report.screen
    assert "None" not in report.screen
    assert lost_payment_id in report.screen


@pytest.mark.usefixtures("lost_payment_id")
def test_the_report_is_there_for_programs_and_spreadsheets(run: Run) -> None:
    reconciled = json.loads(run("reconcile", "--since", "2020-01-01", "--json").out)
    assert reconciled["run"]["left_open"] == 1
    told = json.loads(run("report", "--json").out)
    assert [finding["kind"] for finding in told["findings"]] == ["unverified_metadata"]
    assert [each["status"] for each in told["runs"]] == ["FINISHED"]
    (row,) = csv.DictReader(io.StringIO(run("report", "--csv").out))
    assert row["kind"] == "unverified_metadata"
    assert json.loads(row["detail"])["theirs"] == "not proven to be ours"
    assert run("report", "--show", "repaired", "--csv").out.splitlines()[1:] == []
    finding_id = told["findings"][0]["finding_id"]
    run("findings", "close", str(finding_id), "--reason", "=HYPERLINK(1)")
    (row,) = csv.DictReader(io.StringIO(run("report", "--show", "closed", "--csv").out))
    assert row["close_reason"] == "'=HYPERLINK(1)"


def test_where_both_records_agree_it_leaves_with_0(run: Run) -> None:
    done = run("reconcile")
    assert done.status == 0, done.err
    assert run("report").status == 0


def test_what_proves_nothing_is_taken_by_the_word_of_a_person_and_kept_with_it(
    run: Run, lost_payment_id: str, rows: Rows
) -> None:
    run("reconcile", "--since", "2020-01-01")
    found = rows.one("SELECT object_id FROM reconciliation_finding")["object_id"]
    assert run("reconcile", "--since", "2020-01-01", "--accept", found).status == USAGE  # no reason
    assert run("reconcile", "--accept", found, "--reason", "seen").status == USAGE  # no period
    assert rows("SELECT 1 FROM payment WHERE payment_id = %s", lost_payment_id) == []
    done = run("reconcile", "--since", "2020-01-01", "--accept", found, "--reason", "support has seen it")
    assert done.status == 0, done.err
    row = rows.one("SELECT status FROM payment WHERE payment_id = %s", lost_payment_id)
    assert row["status"] == "SUCCEEDED"
    (first, *_) = rows("SELECT actor, detail FROM payment_history ORDER BY history_id")
    assert "by ada" in first["actor"]
    assert first["detail"]["reason"] == "support has seen it"
    assert run("report").status == 0


@pytest.mark.parametrize("name", ["pi_no_such", "re_no_such"])
def test_what_is_accepted_and_is_not_there_changes_nothing(run: Run, rows: Rows, name: str) -> None:
    before = rows("SELECT * FROM payment")
    done = run("reconcile", "--since", "2020-01-01", "--accept", name, "--reason", "a slip")
    assert done.status == 1
    assert f"Not accepted: {name} was not met" in done.screen
    assert rows("SELECT * FROM payment") == before


@pytest.mark.parametrize("name", ["ch_1", ""])
def test_nothing_else_than_payment_intents_and_refunds_is_accepted(run: Run, name: str) -> None:
    done = run("reconcile", "--since", "2020-01-01", "--accept", name, "--reason", "a slip")
    assert done.status == USAGE
    assert "pi_…" in done.err


@pytest.mark.parametrize(
    "period", [["--since", "yesterday"], ["--since", "2026-02-01", "--until", "2026-01-01"]]
)
def test_a_period_that_is_none_is_wrong_usage(run: Run, period: list[str]) -> None:
    done = run("reconcile", *period)
    assert done.status == 2
    assert period[-2].removeprefix("--") in done.err
    assert done.err.startswith("Invalid request, nothing was done:\n")


@pytest.mark.usefixtures("lost_payment_id")
def test_while_stripe_is_unreachable_it_says_how_to_go_on(run: Run, simulator: Simulator) -> None:
    simulator.fault("unavailable", endpoint="refunds.list", times=None)
    done = run("reconcile", "--since", "2020-01-01", "--until", "2100-01-01")
    assert done.status == 1
    assert "Stripe does not answer" in done.screen
    simulator.delete("faults")
    again = json.loads(run("reconcile", "--since", "2020-01-01", "--until", "2100-01-01", "--json").out)
    assert (again["run"]["run_id"], again["run"]["status"]) == (1, "FINISHED")


def test_a_period_of_messages_is_published_once_more(run: Run, rows: Rows) -> None:
    rows(
        "INSERT INTO outbox (message_id, payment_id, type, data, occurred_at, published_at)"
        " SELECT gen_random_uuid(), gen_random_uuid(), 'PaymentCanceled', '{}', '2026-01-01', now()"
        " FROM generate_series(1, 3)"
    )
    done = run("events", "replay-messages", "--since", "2025-12-31", "--until", "2026-01-02")
    assert done.status == 0, done.err
    assert done.screen == "3 messages are published again by the next sweep.\n"
    assert rows("SELECT 1 FROM outbox WHERE published_at IS NOT NULL") == []
