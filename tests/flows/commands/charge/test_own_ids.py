"""A shop's own numbers of orders and customers are any text, kept and told as given."""

from uuid import UUID

import pytest

from payment_worker.store.queries import timeline
from tests.flows.scene import Scene
from tests.harness.rows import Rows


@pytest.mark.parametrize("order_id", ["4711", "#1001", "Bestellung Nº 7 - Ö", "x" * 255])
def test_an_order_number_is_stored_published_and_found_again(scene: Scene, rows: Rows, order_id: str) -> None:
    payment_id = scene.charge(order_id=order_id, customer_id="cust/9")

    payment = rows.one("SELECT * FROM payment WHERE payment_id = %s", payment_id)
    assert (payment["status"], payment["order_id"], payment["customer_id"]) == (
        "SUCCEEDED",
        order_id,
        "cust/9",
    )
    told = rows("SELECT type, data FROM outbox ORDER BY position")
    assert [(row["type"], row["data"]["orderId"]) for row in told] == [
        ("PaymentRequested", order_id),
        ("PaymentSucceeded", order_id),
    ]
    assert told[0]["data"]["customerId"] == "cust/9"
    (intent,) = scene.simulator.get("ledger")["payment_intents"]
    assert intent["metadata"]["order_id"] == order_id
    with scene.context.database.begin() as connection:
        assert timeline.payment_of(connection, order_id) == UUID(str(payment_id))
