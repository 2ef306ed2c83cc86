"""Rows of `early_fraud_warning`, written only under their payment's lock."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, select

from payment_worker.domain.early_fraud_warning import EarlyFraudWarning
from payment_worker.store import tables
from payment_worker.store.due_rows import DueRows
from payment_worker.store.statements import Change, Row

table: Final = tables.early_fraud_warning

DUE: Final = DueRows(table.c.stripe_early_fraud_warning_id, table.c.next_action_at)
"""Warnings about which the policy has to decide."""

NOT_STORED: Final = "stripe_payment_intent_id"
"""The payment has it."""
COLUMNS: Final = [table.c[name] for name in EarlyFraudWarning.__slots__ if name != NOT_STORED]


def find(connection: Connection, stripe_early_fraud_warning_id: str) -> tuple[EarlyFraudWarning, UUID] | None:
    """The warning and the payment that it is about."""
    query = select(*COLUMNS, table.c.payment_id).where(
        table.c.stripe_early_fraud_warning_id == stripe_early_fraud_warning_id
    )
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    return EarlyFraudWarning(**{column.name: row[column] for column in COLUMNS}), row["payment_id"]


def known(connection: Connection, ids: Sequence[str]) -> frozenset[str]:
    """Those of these warnings that are recorded."""
    warning_id = table.c.stripe_early_fraud_warning_id
    return frozenset(connection.scalars(select(warning_id).where(warning_id.in_(ids))))


def recorded(
    warning: EarlyFraudWarning, *, payment_id: UUID, next_action_at: datetime | None, now: datetime
) -> Row:
    """The row of a new warning."""
    values = {name: value for name, value in asdict(warning).items() if name != NOT_STORED}
    further_values = {
        "payment_id": payment_id,
        "next_action_at": next_action_at,
        "created_at": now,
        "updated_at": now,
    }
    return Row(table, {**values, **further_values})


def changed(stripe_early_fraud_warning_id: str, *, now: datetime, **values: object) -> Change:
    """The change of some columns."""
    key = {"stripe_early_fraud_warning_id": stripe_early_fraud_warning_id}
    return Change(table, key, {**values, "updated_at": now})
