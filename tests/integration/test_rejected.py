"""Every request that is rejected is kept, once, also where its message has the id of another."""

from contextlib import closing
from datetime import UTC, datetime
from uuid import uuid4

from payment_worker.store import rejected_requests
from payment_worker.store.database import Database
from tests.harness.rows import Rows

CHARGE = ("payment_worker.charge", {"payment_id": "p1", "amount": 1.5})
REFUND = ("payment_worker.refund", {"payment_id": "p1", "amount": 1.5})
ANOTHER = ("payment_worker.refund", {"amount": 2, "payment_id": "p1"})


def test_requests_of_one_id_are_all_kept_however_often_they_come(database_url: str, rows: Rows) -> None:
    order = uuid4()
    with closing(Database(database_url)) as database:
        for task, arguments in (CHARGE, REFUND, ANOTHER) * 2:
            with database.begin() as connection:
                rejected_requests.keep(
                    connection,
                    request_id=order,
                    task=task,
                    arguments=arguments,
                    errors=[{"code": "invalid"}],
                    now=datetime.now(tz=UTC),
                )

    kept = rows("SELECT request_id, task, arguments FROM rejected_request ORDER BY received_at")
    assert [(each["task"], each["arguments"]) for each in kept] == [CHARGE, REFUND, ANOTHER]
    assert kept[0]["request_id"] == str(order)
    assert len({each["request_id"] for each in kept}) == 3
