"""What was asked about a payment before: the request that has no answer yet, and those that have one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, func, select

from payment_worker.domain.attempt import Action
from payment_worker.store import tables

table: Final = tables.payment_attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request to Stripe about a payment."""

    attempt_id: int
    action: Action
    parameters: Mapping[str, Any]
    next_action_at: datetime | None
    """None: it is over."""
    error_code: str | None


COLUMNS: Final = [table.c[name] for name in Asked.__slots__]


def unanswered(connection: Connection, payment_id: UUID) -> Asked | None:
    """The one request on the payment itself that has no outcome yet."""
    query = select(*COLUMNS).where(
        table.c.payment_id == payment_id, table.c.refund_id.is_(None), table.c.finished_at.is_(None)
    )
    return _one(connection, query)


def by_message(connection: Connection, request_id: UUID, *, payment_id: UUID, action: Action) -> Asked | None:
    """The newest request of this kind on the payment that a message of this id has led to.

    An app that names its messages after its orders gives one id to a capture and to the cancellation after it.
    """
    of_it = (table.c.request_id == request_id, table.c.payment_id == payment_id, table.c.action == action)
    return _one(connection, select(*COLUMNS).where(*of_it).order_by(table.c.attempt_id.desc()).limit(1))


def last_method(connection: Connection, payment_id: UUID) -> str:
    """The payment method that was tried last; the first one, where the requests are archived."""
    query = (
        select(*COLUMNS)
        .where(table.c.payment_id == payment_id, table.c.action.in_([Action.CHARGE, Action.RETRY]))
        .order_by(table.c.number.desc())
        .limit(1)
    )
    if last := _one(connection, query):
        return str(last.parameters["payment_method"])
    payment = tables.payment.c
    first = select(payment.payment_method).where(payment.payment_id == payment_id)
    return str(connection.execute(first).scalar_one())


def last_number(connection: Connection, payment_id: UUID) -> int:
    """The number of the newest request on the payment itself."""
    query = select(func.max(table.c.number)).where(
        table.c.payment_id == payment_id, table.c.refund_id.is_(None)
    )
    return connection.scalar(query) or 0


def retries_since(connection: Connection, payment_id: UUID, *, since: datetime) -> int:
    """How many requests to take the money again there were from then on."""
    query = select(func.count()).where(
        table.c.payment_id == payment_id, table.c.action == Action.RETRY, table.c.created_at >= since
    )
    return connection.execute(query).scalar_one()


def _one(connection: Connection, query: Any) -> Asked | None:  # noqa: ANN401 - a select of the columns above
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    return Asked(**{**row, "action": Action(row["action"]), "parameters": json.loads(row["parameters"])})
