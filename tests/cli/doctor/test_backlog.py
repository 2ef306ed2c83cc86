"""`doctor` finds rows that are overdue, and names the oldest with their ids."""

import json

import pytest

from tests.cli.conftest import Run
from tests.cli.doctor.conftest import PAYMENT, problems_in
from tests.harness.rows import Rows

NEGLECT = """
WITH times AS (SELECT now() - interval '3 hours 5 minutes' AS begun, now() - interval '65 minutes' AS due),
payments AS (
    INSERT INTO payment (payment_id, order_id, amount, currency, status, payment_method, capture_method, metadata,
                         fingerprint, version, created_at, updated_at)
    SELECT %s, gen_random_uuid(), 500, 'EUR', 'REQUESTED', 'pm_1', 'automatic', '{}', 'x', 1, begun, begun FROM times
    RETURNING payment_id),
attempts AS (
    INSERT INTO payment_attempt (payment_id, number, action, path, parameters, idempotency_key, status, unknown_reason,
                                 next_action_at, first_sent_at, sent_until, created_at)
    SELECT payment_id, 1, 'charge', '/v1', '{}', 'k', 'UNKNOWN', 'no_answer', due, begun, begun, begun
    FROM payments, times),
events AS (
    INSERT INTO stripe_event (event_id, type, livemode, payload, status, outcome, source, created_at, received_at,
                              finished_at)
    SELECT 'evt_1', 'refund.created', false, '{}', 'PARKED', 'why', 'webhook', begun, begun, begun FROM times),
findings AS (
    INSERT INTO reconciliation_finding (kind, object_id, stripe_account, payment_id, status, detail, found_at)
    SELECT 'second_payment_intent', 'pi_2', '', payment_id, 'OPEN', '{}', begun FROM payments, times),
messages AS (
    INSERT INTO outbox (message_id, payment_id, type, data, occurred_at)
    SELECT gen_random_uuid(), payment_id, 'PaymentRequested', '{}', begun FROM payments, times)
INSERT INTO rejected_request (request_id, task, arguments, errors, ids, is_complete, received_at)
SELECT gen_random_uuid(), 'payment_worker.charge', '{}', '[]', '{}', true, begun FROM times
"""


@pytest.fixture
def neglected(rows: Rows) -> None:
    """A payment that was begun three hours ago and is in doubt since; nobody has worked for an hour."""
    rows(NEGLECT, PAYMENT)


@pytest.mark.usefixtures("neglected")
def test_overdue_rows_are_reported_with_their_age_and_their_ids(run: Run, rows: Rows) -> None:
    ran = run("doctor")

    assert ran.status == 1
    (request_id,) = (row["request_id"] for row in rows("SELECT request_id::text FROM rejected_request"))
    (finding_id,) = (row["finding_id"] for row in rows("SELECT finding_id FROM reconciliation_finding"))
    assert ran.screen.partition(" ✗ overdue            ")[2].splitlines() == [
        "attempts: 1, the oldest from 1 h 5 min ago; messages: 1, the oldest from 3 h 5 min ago",
        f"                      {PAYMENT}: payment-worker show ID",
        "                      → start beat and enough workers: celery -A payment_worker beat | worker",
        " ✓ key permissions    Stripe denies none of our requests",
        f" ✗ unknown            charge of payment {PAYMENT} for 3 h 5 min (no_answer: Stripe did not",
        "                      answer in time.)",
        f"                      {PAYMENT}: payment-worker show ID",
        "                      → compare payment-worker show ID with Stripe's dashboard; workers keep looking it up",
        " ✗ deadlines          payments REQUESTED: 1, the oldest from 3 h 5 min ago",
        f"                      {PAYMENT}: payment-worker show ID",
        "                      → payment REQUESTED: payment-worker show ID says what its attempt waits for",
        " ✓ disputes           none needs a response",
        " ✗ parked events      events: 1, the oldest from 3 h 5 min ago",
        "                      evt_1: payment-worker show ID",
        "                      → payment-worker events list --status parked says why; then: events replay --parked",
        " ✗ findings           open: 1, the oldest from 3 h 5 min ago",
        f"                      {finding_id}: payment-worker report",
        "                      → payment-worker report lists them; the runbook says what to do about each kind",
        " ! rejected requests  within 1 d: 1",
        f"                      {request_id}: payment-worker requests rejected show ID",
        "                      → read their errors, fix the app that sent them, and replay those that are valid by now",
        " ✓ balance            nothing is imported yet",
    ]
    named = {check["name"]: check["ids"] for check in json.loads(run("doctor", "--json").out)["checks"]}
    assert named["overdue"] == named["unknown"] == named["deadlines"] == [PAYMENT]
    assert (named["parked events"], named["findings"]) == (["evt_1"], [str(finding_id)])
    assert named["rejected requests"] == [request_id]


def test_of_many_rows_the_five_oldest_are_named(run: Run, rows: Rows) -> None:
    rows(
        "INSERT INTO rejected_request (request_id, task, arguments, errors, ids, is_complete, received_at)"
        " SELECT gen_random_uuid(), 'payment_worker.charge', '{}', '[]', '{}', true, now() - make_interval(mins => n)"
        " FROM generate_series(1, 7) n"
    )
    oldest = rows("SELECT request_id::text AS id FROM rejected_request ORDER BY received_at LIMIT 5")

    named = {check["name"]: check["ids"] for check in json.loads(run("doctor", "--json").out)["checks"]}

    assert named["rejected requests"] == [row["id"] for row in oldest]


@pytest.mark.usefixtures("neglected")
def test_a_finding_is_part_of_its_payments_timeline(run: Run) -> None:
    (told,) = [
        entry
        for entry in json.loads(run("show", PAYMENT, "--json").out)["entries"]
        if entry["kind"] == "finding"
    ]
    assert told["what"] == "second_payment_intent of pi_2 is OPEN"
    assert " finding  second_payment_intent of pi_2 is OPEN " in run("show", PAYMENT).screen


@pytest.mark.usefixtures("neglected")
def test_how_long_an_outcome_may_be_unknown_can_be_said(run: Run) -> None:
    patient = problems_in(run("doctor", "--json", "--unknown-after", "86400"))

    assert patient.keys() == {"overdue", "deadlines", "parked events", "findings"}


def test_what_is_paused_is_reported_and_is_no_problem(run: Run) -> None:
    run("pause", "--kind", "refund", "--reason", "wrong prices")
    ran = run("doctor", "--json")
    (told,) = [check for check in json.loads(ran.out)["checks"] if check["name"] == "pauses"]
    assert (ran.status, told["verdict"]) == (0, "note")
    assert told["says"].startswith("refund for ")
    assert told["says"].endswith("(wrong prices)")


@pytest.mark.parametrize(
    ("ledger", "hours", "says"),
    [
        (500, 0, "explained"),
        (499, 0, "platform: Stripe has 0.01 EUR more than the ledger"),
        (500, 3, "last imported 3 h ago"),
    ],
)
def test_a_balance_that_differs_or_is_not_imported_is_a_problem(
    run: Run, rows: Rows, ledger: int, hours: int, says: str
) -> None:
    rows(
        "INSERT INTO balance_import (stripe_account, begins_at, is_opened, imported_at)"
        " VALUES ('', now(), true, now() - make_interval(hours => %s))",
        hours,
    )
    rows(
        "INSERT INTO balance_proof (stripe_account, currency, available, pending, reserved, ledger, proven_at)"
        " VALUES ('', 'EUR', 400, 100, 0, %s, now())",
        ledger,
    )
    checks = {check["name"]: check for check in json.loads(run("doctor", "--json").out)["checks"]}
    assert checks["balance"]["says"].startswith(says)
    assert checks["balance"]["verdict"] == ("fine" if says == "explained" else "problem")


@pytest.mark.usefixtures("neglected")
def test_a_dispute_that_needs_a_response_is_named_with_the_time_left(run: Run, rows: Rows) -> None:
    rows(
        "INSERT INTO dispute (stripe_dispute_id, payment_id, status, amount, currency, evidence_due_by, created_at,"
        " updated_at) VALUES ('dp_1', %s, 'NEEDS_RESPONSE', 500, 'EUR', now() + interval '49 hours 30 seconds', now(),"
        " now()), ('dp_2', %s, 'LOST', 500, 'EUR', now(), now(), now())",
        PAYMENT,
        PAYMENT,
    )

    screen = run("doctor").screen

    assert " ! disputes           need a response: 1, the first in 2 d 1 h\n" in screen
    assert f"{PAYMENT}: payment-worker show ID" in screen.partition("disputes")[2].partition("parked")[0]
