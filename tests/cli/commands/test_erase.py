"""`payment-worker erase` says what it erased, and leaves with 1 where something is left for later."""

import json

from tests.cli.conftest import Run
from tests.harness.rows import Rows

PAYMENT = """
INSERT INTO payment (payment_id, order_id, customer_id, amount, currency, status, capture_method, fingerprint,
    description, created_at, updated_at)
VALUES (gen_random_uuid(), '7', '42', 1000, 'EUR', 'CANCELED', 'automatic', 'f', 'her chair', now(), now())
"""


def test_it_says_how_much_it_erased(run: Run, rows: Rows) -> None:
    rows(PAYMENT)
    ran = run("erase", "--customer-id", "42", "--json")
    assert (ran.status, json.loads(ran.out)) == (0, {"payments": 1, "rejected_requests": 0, "left": []})
    assert rows.one("SELECT description FROM payment") == {"description": None}
    assert (
        run("erase", "--customer-id", "nobody").out
        == "Erased the texts of 0 payments and 0 rejected requests.\n"
    )
