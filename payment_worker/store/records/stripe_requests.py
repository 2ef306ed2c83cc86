"""Queries for a payment's requests to Stripe: the unanswered one, those under a key, the last confirmation."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, RowMapping, func, select

from payment_worker.domain.attempts.attempt import Action, AttemptStatus
from payment_worker.store import tables
from payment_worker.store.records.attempts import newest_unfinished

table: Final = tables.payment_attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeRequest:
    """A request to Stripe about a payment."""

    attempt_id: int
    action: Action
    parameters: Mapping[str, Any]
    next_action_at: datetime | None
    """None: it is finished."""
    error_code: str | None
    never_sent: bool


REQUEST: Final = [table.c[name] for name in StripeRequest.__slots__]


def unanswered(connection: Connection, payment_id: UUID) -> StripeRequest | None:
    """The one request on the payment itself that has no outcome yet."""
    row = newest_unfinished(connection, REQUEST, payment_id=payment_id, refund_id=None)
    return _request(row) if row else None


def by_message(
    connection: Connection, request_id: UUID, *, payment_id: UUID, action: Action
) -> StripeRequest | None:
    """The newest request of this kind on the payment that a message of this id has led to.

    An app that names its messages after its orders gives one id to a capture and to the cancellation after it.
    """
    conditions = (
        table.c.request_id == request_id,
        table.c.payment_id == payment_id,
        table.c.action == action,
    )
    return _fetch_one(
        connection, select(*REQUEST).where(*conditions).order_by(table.c.attempt_id.desc()).limit(1)
    )


WITHOUT_EFFECT: Final = frozenset({AttemptStatus.DECLINED, AttemptStatus.ABSENT})
"""Outcomes of which Stripe may have shown no object."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters that were sent under a key."""

    action: Action
    refund_id: UUID | None


def asked_under(
    connection: Connection, idempotency_key: str | None, *, payment_id: UUID, remembered_since: datetime
) -> Asked | None:
    """What was asked for of a payment under this key, if what Stripe made under it is ours.

    Nothing came of a request that Stripe refused. Of one that was declined or proved to be absent, the key may be used
    by others once Stripe has forgotten it.

    Args:
        remembered_since: Stripe has not forgotten the keys that were sent first after this.
    """
    if idempotency_key is None:
        return None
    query = select(table.c.action, table.c.refund_id, table.c.status, table.c.first_sent_at).where(
        table.c.payment_id == payment_id, table.c.idempotency_key == idempotency_key
    )
    row = connection.execute(query).one_or_none()
    if row is None or row.status == AttemptStatus.REFUSED:
        return None
    if row.status in WITHOUT_EFFECT and row.first_sent_at < remembered_since:
        return None
    return Asked(Action(row.action), row.refund_id)


def is_known(connection: Connection, idempotency_key: str) -> bool:
    """Whether there is an attempt under this key."""
    query = select(table.c.attempt_id).where(table.c.idempotency_key == idempotency_key)
    return connection.execute(query).first() is not None


def refunds_unanswered(connection: Connection, payment_id: UUID, *, amount: int) -> bool:
    """Whether there is an unfinished attempt to refund this amount of a payment."""
    refund = tables.refund
    query = (
        select(table.c.finished_at)
        .join_from(table, refund, refund.c.refund_id == table.c.refund_id)
        .where(table.c.payment_id == payment_id, refund.c.amount == amount)
    )
    return any(row.finished_at is None for row in connection.execute(query))


def last_confirmation(connection: Connection, payment_id: UUID) -> Mapping[str, Any]:
    """The parameters of the last confirmation.

    If attempts are archived, the first payment method, and off-session.
    """
    query = (
        select(*REQUEST)
        .where(table.c.payment_id == payment_id, table.c.action.in_([Action.CHARGE, Action.RETRY]))
        .order_by(table.c.number.desc())
        .limit(1)
    )
    if confirmation := _fetch_one(connection, query):
        return confirmation.parameters
    payment = tables.payment.c
    first_method = select(payment.payment_method).where(payment.payment_id == payment_id)
    return {"payment_method": connection.execute(first_method).scalar_one(), "off_session": True}


def last_number(connection: Connection, payment_id: UUID) -> int:
    """The number of the newest request on the payment itself."""
    query = select(func.max(table.c.number)).where(
        table.c.payment_id == payment_id, table.c.refund_id.is_(None)
    )
    return connection.scalar(query) or 0


def _fetch_one(connection: Connection, query: Any) -> StripeRequest | None:  # noqa: ANN401 - a select of the columns above
    row = connection.execute(query).mappings().one_or_none()
    return _request(row) if row else None


def _request(row: RowMapping) -> StripeRequest:
    values = {name: row[name] for name in StripeRequest.__slots__}
    return StripeRequest(
        **{**values, "action": Action(row["action"]), "parameters": json.loads(row["parameters"])}
    )
