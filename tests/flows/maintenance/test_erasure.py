"""What a customer told is erased on request; the books, and all that proves what was done, stay."""

from typing import Any

from payment_worker.flows.maintenance.erasure import erase_customer
from tests.flows.scene import Scene
from tests.harness.rows import Rows

SECRET = "Ada's birthday"
TOLD: dict[str, object] = {
    "customer_id": "42",
    "description": SECRET,
    "metadata": {"gift": SECRET},
    "receipt_email": "ada@example.com",
}


def _kept(rows: Rows) -> str:
    tables = (
        "payment",
        "refund",
        "payment_attempt",
        "stripe_event",
        "outbox",
        "payment_history",
        "rejected_request",
    )
    return str([rows(f"SELECT * FROM {table}") for table in tables])  # noqa: S608 - our own tables


def _money(rows: Rows) -> list[dict[str, Any]]:
    return rows(
        "SELECT payment_id, order_id, customer_id, amount, amount_captured, amount_refunded, status, version,"
        " stripe_payment_intent_id, fingerprint FROM payment ORDER BY payment_id"
    )


def test_texts_go_and_the_books_stay(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge(**TOLD)
    scene.charge(customer_id="43", description="somebody else's")
    scene.refund(payment_id, amount=1000, note=SECRET)
    scene.deliver(scene.events())
    before, history = _money(rows), rows("SELECT * FROM payment_history")
    assert SECRET in _kept(rows)
    erased = erase_customer(scene.context.database, "42")
    assert (erased.payments, erased.left) == (1, [])
    assert SECRET not in _kept(rows)
    assert "ada@example.com" not in _kept(rows)
    assert "somebody else's" in _kept(rows)
    assert (_money(rows), rows("SELECT * FROM payment_history")) == (before, history)
    assert scene.refund(payment_id, amount=500).status == "PROCESSED"
    assert erase_customer(scene.context.database, "42").payments == 1


def test_what_may_be_sent_again_is_left_for_later(scene: Scene, rows: Rows) -> None:
    scene.simulator.fault("server_error", when="after", endpoint="payment_intents.create")
    asking = scene.simulator.fault("unavailable", endpoint="payment_intents.list", times=None)
    payment_id = scene.charge(**TOLD)
    scene.simulator.delete(f"faults/{asking}")
    assert erase_customer(scene.context.database, "42").left == [payment_id]
    assert SECRET in _kept(rows)
    scene.resume()
    assert erase_customer(scene.context.database, "42").left == []
    assert SECRET not in _kept(rows)
    assert rows.one("SELECT status FROM payment") == {"status": "SUCCEEDED"}


def test_rejected_requests_of_theirs_keep_no_arguments(scene: Scene, rows: Rows) -> None:
    rows(
        "INSERT INTO rejected_request (request_id, task, arguments, errors, ids, is_complete, received_at) VALUES"
        " (gen_random_uuid(), 'payment_worker.charge', %s, '[]', ARRAY['42'], true, now())",
        f'{{"customer_id": "42", "description": "{SECRET}"}}',
    )
    assert erase_customer(scene.context.database, "42").rejected_requests == 1
    assert rows.one("SELECT arguments, is_complete FROM rejected_request") == {
        "arguments": {},
        "is_complete": False,
    }
