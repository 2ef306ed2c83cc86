"""Rows of `dispute`, written only under their payment's lock."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, select

from payment_worker.domain.dispute import Dispute, DisputeStatus
from payment_worker.store import tables
from payment_worker.store.statements import Change, Row, Write

table: Final = tables.dispute
COLUMNS: Final = [table.c[name] for name in Dispute.__slots__]


def of_payment(connection: Connection, payment_id: UUID) -> Sequence[Dispute]:
    """All disputes of a payment; to be relied on only while the payment is locked."""
    rows = connection.execute(select(*COLUMNS).where(table.c.payment_id == payment_id)).mappings()
    return [Dispute(**{**row, "status": DisputeStatus(row["status"])}) for row in rows]


def statuses(connection: Connection, stripe_dispute_ids: Sequence[str]) -> dict[str, DisputeStatus]:
    """The states of those of these disputes that are known."""
    query = select(table.c.stripe_dispute_id, table.c.status).where(
        table.c.stripe_dispute_id.in_(stripe_dispute_ids)
    )
    return {row.stripe_dispute_id: DisputeStatus(row.status) for row in connection.execute(query)}


def recorded(dispute: Dispute, *, is_new: bool, now: datetime) -> Write:
    """The insert or update that makes the row say what the record says."""
    values = asdict(dispute)
    if is_new:
        return Row(table, {**values, "created_at": now, "updated_at": now})
    return Change(table, {"stripe_dispute_id": dispute.stripe_dispute_id}, {**values, "updated_at": now})
