"""What every other test here relies on: a statement that reads more with what waits fails the test that executes it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from uuid import UUID

import pytest
from sqlalchemy import text

from payment_worker.store.connection.database import Database

ATTEMPT = "SELECT status FROM payment_attempt WHERE attempt_id = 1"
UNPUBLISHED = "SELECT FROM outbox WHERE outbox.payment_id = payment.payment_id AND published_at IS NULL"
PAYMENT = f"SELECT order_id FROM payment WHERE payment_id = '{UUID(int=0)}' AND EXISTS ({UNPUBLISHED})"  # noqa: S608 ours


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        (ATTEMPT, None),
        (f"{ATTEMPT} AND finished_at IS NULL", "buffers for 0 rows: SELECT status FROM payment_attempt"),
        (PAYMENT, "all of outbox_unpublished is read"),
        ("SELECT refund_id FROM refund WHERE status = 'REQUESTED'", "buffers for 0 rows: SELECT refund_id"),
    ],
    ids=["a key", "a state beside a key", "what was not needed this time", "no limit"],
)
def test_a_statement_that_walks_is_noticed(
    compared_database: Callable[[str], AbstractContextManager[str]], statement: str, complaint: str | None
) -> None:
    def execute() -> None:
        with (
            compared_database("walked") as url,
            closing(Database(url)) as database,
            database.begin() as connection,
        ):
            connection.execute(text(statement))

    if complaint is None:
        execute()
    else:
        with pytest.raises(AssertionError, match=complaint):
            execute()
