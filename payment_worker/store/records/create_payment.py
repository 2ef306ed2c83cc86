"""Inserts a new payment with its attempt, history and message in one statement."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Table, select
from sqlalchemy.dialects.postgresql import insert

from payment_worker.domain.attempts.attempt import Attempt
from payment_worker.domain.payment import Payment
from payment_worker.store import tables
from payment_worker.store.connection.database import Database
from payment_worker.store.records import attempts, payments
from payment_worker.store.statements import Columns, Compiled, Parameters, Row, insert_if, parameters_of

NEW: Final = tuple(
    column.name
    for column in payments.COLUMNS
    if column.name in {"version", "status"} or column.name not in payments.MUTABLE
)
"""What is written of a new payment. The rest is the default of the record and, as a test shows, of the column too."""

Shape = tuple[Table, Columns]
"""A table and the columns of it that are written."""


def create_payment(
    database: Database,
    *,
    payment: Payment,
    request: Mapping[str, Any],
    attempt: Attempt,
    further_rows: Sequence[Row],
    now: datetime,
    is_scheduled: bool = False,
) -> Attempt | None:
    """Insert the payment, its first attempt and the other rows, unless the payment's id exists.

    Args:
        request: the columns of `payment` that its record does not have.
        is_scheduled: whether nobody owns the attempt before it is due.

    Returns:
        The attempt with its id, or None when there was such a payment before and nothing was written.
    """
    record = {name: getattr(payment, name) for name in NEW}
    payment_row = Row(tables.payment, {**record, **request, "created_at": now, "updated_at": now})
    rows = [payment_row, attempts.new_row(attempt, scheduled_at=now if is_scheduled else None), *further_rows]
    parameters = Parameters()
    shapes = tuple((row.table, parameters.add(f"set{n}", row.values)) for n, row in enumerate(rows))
    inserted = _statement(shapes).rows(database, parameters.values)
    return replace(attempt, attempt_id=inserted[0][0]) if inserted else None


@lru_cache(maxsize=10)
def _statement(shapes: tuple[Shape, ...]) -> Compiled:
    (payment, columns), *other_shapes = shapes
    new_payment = (
        insert(payment)
        .values(parameters_of(payment, columns))
        .on_conflict_do_nothing(index_elements=["payment_id"])
        .returning(payment.c.payment_id)
        .cte("new")
    )
    attempt, *others = (insert_if(new_payment, table, columns) for table, columns in other_shapes)
    inserted_attempt = attempt.returning(tables.payment_attempt.c.attempt_id).cte("noted")
    further_writes = (each.cte(f"write_{n}") for n, each in enumerate(others))
    return Compiled(select(inserted_attempt.c.attempt_id).add_cte(*further_writes))
