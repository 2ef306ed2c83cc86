"""Every request that is rejected is kept, once, also where its message has the id of another."""

from contextlib import closing
from datetime import UTC, datetime
from uuid import uuid4

from payment_worker.flows.rejections import keep_rejected
from payment_worker.store.connection.database import Database
from tests.harness.rows import Rows

CHARGE = ("payment_worker.charge", {"payment_id": "p1", "amount": 1.5})
REFUND = ("payment_worker.refund", {"payment_id": "p1", "amount": 1.5})
ANOTHER = ("payment_worker.refund", {"amount": 2, "payment_id": "p1"})


def test_requests_of_one_id_are_all_kept_however_often_they_come(database_url: str, rows: Rows) -> None:
    order = uuid4()
    with closing(Database(database_url)) as database:
        for task, arguments in (CHARGE, REFUND, ANOTHER) * 2:
            with database.begin() as connection:
                keep_rejected(
                    connection,
                    request_id=order,
                    task=task,
                    arguments=arguments,
                    errors=[{"field": "amount", "code": "invalid", "message": "is not valid"}],
                    now=datetime.now(tz=UTC),
                )

    kept = rows("SELECT request_id, task, arguments FROM rejected_request ORDER BY received_at")
    assert [(each["task"], each["arguments"]) for each in kept] == [CHARGE, REFUND, ANOTHER]
    assert kept[0]["request_id"] == str(order)
    assert len({each["request_id"] for each in kept}) == 3
    told = rows("SELECT type, payment_id, data FROM outbox ORDER BY position")
    assert [(each["type"], each["payment_id"]) for each in told] == [
        ("RequestRejected", each["request_id"]) for each in kept
    ]
    assert told[0]["data"]["errors"] == [{"field": "amount", "message": "is not valid"}]


def test_the_message_has_ids_and_errors_and_no_other_value(database_url: str, rows: Rows) -> None:
    payment, refund, request = uuid4(), uuid4(), uuid4()
    ids = {"payment_id": str(payment).upper(), "refund_id": str(refund), "order_id": "#1001"}
    errors = [{"field": "amount", "code": "not_an_integer", "message": "must be an integer"}]
    with closing(Database(database_url)) as database, database.begin() as connection:
        keep_rejected(
            connection,
            request_id=request,
            task="payment_worker.refund",
            arguments={**ids, "amount": "10.99", "note": "for Ada"},
            errors=errors,
            now=datetime.now(tz=UTC),
        )

    (told,) = rows("SELECT * FROM outbox")
    assert told["payment_id"] == str(payment)
    assert told["data"].pop("rejectedAt")
    assert told["data"] == {
        "requestId": str(request),
        "task": "payment_worker.refund",
        "paymentId": str(payment),
        "refundId": str(refund),
        "orderId": "#1001",
        "errors": [{"field": "amount", "message": "must be an integer"}],
    }
    (kept,) = rows("SELECT * FROM rejected_request")
    assert set(kept["ids"]) == {str(request), str(payment), str(payment).upper(), str(refund), "#1001"}
