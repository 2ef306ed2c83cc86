"""What is enqueued by hand is checked first, and then goes the way of every other request."""

import json
from collections.abc import Callable
from uuid import UUID

from payment_worker.devstack.processes import Process
from tests.cli.conftest import Run
from tests.harness.rows import Rows

CHARGE = ("charge", "--amount", "1099", "--currency", "EUR", "--payment-method", "pm_card_visa")


def test_every_fault_of_a_request_is_reported_and_nothing_is_enqueued(
    run: Run, redis_client: "object"
) -> None:
    ran = run("charge", "--amount", "0", "--currency", "EUX", "--payment-method", "4242424242424242")

    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        "Invalid request, nothing was done:\n"
        "  currency must be an ISO 4217 code of a currency in which Stripe charges cards\n"
        "  amount must be greater than 0\n"
        "  payment_method must match ^[A-Za-z]+_[A-Za-z0-9_]+$\n"
    )
    assert redis_client.keys("charges*") == []  # type: ignore[attr-defined]


def test_a_charge_has_new_ids_unless_some_are_given(run: Run) -> None:
    first, second = (json.loads(run(*CHARGE, "--json").out) for _ in range(2))

    assert first["task"] == "payment_worker.charge"
    assert UUID(first["payment_id"]) != UUID(second["payment_id"])


def test_all_that_a_charge_may_say_arrives(run: Run, worker: Callable[..., Process], rows: Rows) -> None:
    worker(pool="threads")

    further = (
        "--argument",
        'transfer_data={"destination": "acct_1"}',
        "--argument",
        "application_fee_amount=7",
    )
    run(*CHARGE, "--manual", "--description", "By hand", "--metadata", "a=1", "--metadata", "b=x=y", *further)

    row = rows.wait_for("SELECT * FROM payment WHERE status = 'AUTHORIZED'")
    assert (row["capture_method"], row["description"]) == ("manual", "By hand")
    assert (row["transfer_destination"], row["application_fee_amount"]) == ("acct_1", 7)
    assert row["metadata"] == {"a": "1", "b": "x=y"}


def test_metadata_must_be_pairs(run: Run) -> None:
    ran = run(*CHARGE, "--metadata", "nothing")

    assert ran.status == 2
    assert "must be NAME=VALUE" in ran.err


def test_a_payment_is_captured_canceled_and_tried_again_by_hand(
    run: Run, worker: Callable[..., Process], rows: Rows
) -> None:
    worker(pool="threads")
    held, given_up = (json.loads(run(*CHARGE, "--manual", "--json").out)["payment_id"] for _ in range(2))
    poor = [*CHARGE[:-1], "pm_card_visa_chargeDeclined", "--json"]
    declined = json.loads(run(*poor).out)["payment_id"]
    query = "SELECT * FROM payment WHERE payment_id = %s AND status = %s"
    for payment_id, status in ((held, "AUTHORIZED"), (given_up, "AUTHORIZED"), (declined, "FAILED")):
        rows.wait_for(query, payment_id, status)

    run("capture", held, "--amount", "99")
    run("cancel", given_up, "--reason", "out of stock")
    run("retry", declined, "--payment-method", "pm_card_visa")

    assert rows.wait_for(query, held, "SUCCEEDED")["amount_captured"] == 99
    assert rows.wait_for(query, given_up, "CANCELED")["cancellation_reason"] == "out of stock"
    assert rows.wait_for(query, declined, "SUCCEEDED")["retries"] == 1
