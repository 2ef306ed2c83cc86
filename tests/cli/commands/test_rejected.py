"""A rejected request is found by any of its ids, says what would have been right, and can be sent again once."""

import json
from collections.abc import Callable
from uuid import uuid4

import pytest

from payment_worker.devstack.processes import Process
from tests.cli.conftest import Run
from tests.harness.producer import Producer, a_charge
from tests.harness.rows import Rows


@pytest.fixture
def started(worker: Callable[..., Process]) -> Process:
    return worker(pool="threads", concurrency=2)


def rejected(rows: Rows) -> str:
    """Wait until one is, and return its id."""
    return str(rows.wait_for("SELECT * FROM rejected_request")["request_id"])


@pytest.mark.usefixtures("started")
def test_it_is_shown_by_each_of_its_ids_with_the_call_that_would_have_been_right(
    run: Run, producer: Producer, rows: Rows
) -> None:
    wrong = a_charge(amount="10.99", surprise=1, customer_id=4712)
    producer.charge(**wrong)
    request_id = rejected(rows)

    shown = [run("show", identity) for identity in (wrong["payment_id"], wrong["order_id"], request_id)]

    assert {ran.status for ran in shown} == {0}
    assert len({ran.out for ran in shown}) == 1
    screen = shown[0].screen
    assert "amount must be an integer" in screen
    assert 'app.send_task("payment_worker.charge", queue="charges", kwargs={' in screen
    assert '"amount": 1099,  # must be an integer' in screen
    assert "\"customer_id\": '4712',  # must be a string" in screen
    assert f"\"payment_id\": '{wrong['payment_id']}'" in screen
    assert "surprise is not an argument" in screen
    assert '"surprise":' not in screen
    assert run("show", "4711").status == 1


@pytest.mark.usefixtures("started")
def test_one_that_was_rejected_by_a_mistake_is_sent_again_once(
    run: Run, producer: Producer, rows: Rows
) -> None:
    charge = a_charge()
    producer.send("payment_worker.charge", "refunds", charge)
    request_id = rejected(rows)

    first = run("requests", "rejected", "replay", request_id)
    again = run("requests", "rejected", "replay", request_id, "--json")

    assert (first.status, again.status) == (0, 0), first.err + again.err
    assert json.loads(again.out)["is_new"] is False
    rows.wait_for(
        "SELECT 1 FROM payment WHERE payment_id = %s AND status = 'SUCCEEDED'", charge["payment_id"]
    )
    (kept,) = rows("SELECT * FROM rejected_request")
    assert kept["replayed_by"].startswith("ada on ")
    assert kept["replayed_at"]
    assert "sent again" in run("requests", "rejected", "show", charge["payment_id"]).screen


@pytest.mark.usefixtures("started")
def test_one_that_is_masked_or_still_wrong_is_not_sent(run: Run, producer: Producer, rows: Rows) -> None:
    wrong, masked = a_charge(amount="10.99"), a_charge(description="card 4242 4242 4242 4242")
    producer.charge(**wrong)
    producer.charge(**masked)
    rows.wait_for("SELECT 1 FROM rejected_request OFFSET 1")
    found = {
        row["arguments"]["payment_id"]: row["request_id"] for row in rows("SELECT * FROM rejected_request")
    }

    refused = [
        run("requests", "rejected", "replay", identity)
        for identity in (found[wrong["payment_id"]], found[masked["payment_id"]], str(uuid4()))
    ]

    assert {ran.status for ran in refused} == {1}
    assert "it would be rejected again: amount must be an integer" in refused[0].err
    assert "masked" in refused[1].err
    assert "no rejected request has this id" in refused[2].err
    assert rows("SELECT 1 FROM rejected_request WHERE replayed_at IS NOT NULL") == []


@pytest.mark.usefixtures("started")
def test_the_newest_are_listed_with_their_faults(run: Run, producer: Producer, rows: Rows) -> None:
    producer.charge(**a_charge(amount=True))
    request_id = rejected(rows)

    assert request_id in run("requests", "rejected", "list").screen
    (listed,) = json.loads(run("requests", "rejected", "list", "--json").out)
    assert listed["errors"][0]["field"] == "amount"
    assert json.loads(run("requests", "rejected", "list", "--task", "other", "--json").out) == []
