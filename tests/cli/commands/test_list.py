"""A person who knows an order, a status or a day finds the payments, and all of them."""

import json
from typing import Any

import pytest

from payment_worker.store.queries import search
from tests.cli.conftest import Run
from tests.harness.rows import Rows

PAYMENT = """
INSERT INTO payment (payment_id, order_id, amount, currency, status, payment_method, capture_method, fingerprint,
                     failure_reason, decline_code, created_at, updated_at)
SELECT gen_random_uuid(), %s, 4999, 'EUR', %s, 'pm_card_visa', 'automatic', 'f', %s, %s,
       timestamptz '2026-01-01' + n * interval '1 hour', now()
FROM generate_series(1, %s) AS n
"""


@pytest.fixture(autouse=True)
def _payments(rows: Rows) -> None:
    rows(PAYMENT, "4711", "FAILED", "CARD_DECLINED", "insufficient_funds", 1)
    rows(PAYMENT, "4712", "CANCELED", None, None, 30)


def listed(run: Run, *options: str) -> list[dict[str, Any]]:
    done = run("list", "--json", *options)
    assert done.status == 0, done.err
    found: list[dict[str, Any]] = json.loads(done.out)
    return found


def test_an_order_is_found_by_its_number(run: Run) -> None:
    (payment,) = listed(run, "--order-id", "4711")
    assert (payment["status"], payment["amount"], payment["currency"]) == ("FAILED", 4999, "EUR")
    assert listed(run, "--order-id", "471") == []


def test_a_status_is_found_however_it_is_written(run: Run) -> None:
    assert [each["order_id"] for each in listed(run, "--status", "failed")] == ["4711"]
    assert run("list", "--status", "BROKEN").status == 2


def test_a_period_takes_its_begin_and_leaves_its_end(run: Run) -> None:
    found = listed(run, "--since", "2026-01-01T03:00", "--until", "2026-01-01T05:00")
    assert [each["created_at"] for each in found] == [
        "2026-01-01T04:00:00+00:00",
        "2026-01-01T03:00:00+00:00",
    ]
    assert run("list", "--since", "yesterday").status == 2


def test_the_newest_come_first_and_no_more_than_asked_for(run: Run) -> None:
    found = listed(run, "--limit", "3")
    assert [each["created_at"][11:13] for each in found] == ["06", "05", "04"]
    assert len(listed(run)) == 20


def test_on_the_screen_each_has_its_id_amount_and_reason(run: Run) -> None:
    (payment,) = listed(run, "--order-id", "4711")
    screen = run("list", "--order-id", "4711").screen
    assert payment["payment_id"] in screen
    assert "49.99 EUR" in screen
    assert "CARD_DECLINED, insufficient_funds" in " ".join(screen.split())
    assert payment["payment_id"] in run("list", "--order-id", "4711", settings={"COLUMNS": "70"}).screen
    assert run("list", "--order-id", "none").screen == "No such payments.\n"


def test_what_is_rare_is_found_behind_many_others(run: Run, rows: Rows) -> None:
    rows(PAYMENT, "4713", "CANCELED", None, None, search.LOOKED_AT + 100)
    assert [each["order_id"] for each in listed(run, "--status", "FAILED")] == ["4711"]
