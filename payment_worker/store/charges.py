"""The first note of a charge: payment, attempt, history and message in one statement, or nothing at all."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, Connection, literal, select
from sqlalchemy.dialects.postgresql import Insert, insert

from payment_worker.domain.attempt import Attempt
from payment_worker.domain.records import Payment
from payment_worker.store import attempts, payments, tables
from payment_worker.store.database import Row


def note_charge(
    connection: Connection,
    *,
    payment: Payment,
    request: Mapping[str, Any],
    attempt: Attempt,
    others: list[Row],
    now: datetime,
) -> Attempt | None:
    """Insert the payment, its first attempt and the other rows, unless the payment's id exists.

    Args:
        request: the columns of `payment` that its record does not have.

    Returns:
        The attempt with its id, or None when there was such a payment before and nothing was written.
    """
    values = {column.name: getattr(payment, column.name) for column in payments.COLUMNS}
    new = (
        insert(tables.payment)
        .values(**values, **request, created_at=now, updated_at=now)
        .on_conflict_do_nothing(index_elements=["payment_id"])
        .returning(tables.payment.c.payment_id)
        .cte("new")
    )
    first = _if_new(attempts.noted(attempt), new).returning(tables.payment_attempt.c.attempt_id).cte("first")
    rest = [_if_new(row, new).cte(f"write_{n}") for n, row in enumerate(others)]
    attempt_id = connection.scalar(select(first.c.attempt_id).add_cte(*rest))
    return None if attempt_id is None else replace(attempt, attempt_id=attempt_id)


def _if_new(row: Row, new: CTE) -> Insert:
    """The row's insert for every row of `new`: one, or none."""
    typed = [literal(value, row.table.c[name].type) for name, value in row.values.items()]
    return insert(row.table).from_select(
        list(row.values), select(*typed).select_from(new), include_defaults=False
    )
