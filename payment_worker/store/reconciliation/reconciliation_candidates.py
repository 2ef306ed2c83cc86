"""Rows of `reconciliation_candidate`: PaymentIntents that belong to lost payments."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from payment_worker.store import tables

table: Final = tables.reconciliation_candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A PaymentIntent, and the lost payment that it proves to be of."""

    stripe_payment_intent_id: str
    payment_id: UUID
    stripe_account: str


def keep(connection: Connection, candidates: Sequence[Candidate], *, run_id: int) -> None:
    """Keep those that a page of a run had."""
    if candidates:
        rows = [{"run_id": run_id, **asdict(each)} for each in candidates]
        connection.execute(insert(table).values(rows).on_conflict_do_nothing())


def payments(connection: Connection, *, run_id: int, after: UUID | None, limit: int) -> Sequence[UUID]:
    """The next payments that have candidates."""
    query = select(table.c.payment_id).distinct().where(table.c.run_id == run_id)
    if after is not None:
        query = query.where(table.c.payment_id > after)
    return list(connection.scalars(query.order_by(table.c.payment_id).limit(limit)))


def of_payment(connection: Connection, payment_id: UUID, *, run_id: int) -> Sequence[Candidate]:
    """All candidates of a payment."""
    columns = [table.c[name] for name in Candidate.__slots__]
    query = select(*columns).where(table.c.run_id == run_id, table.c.payment_id == payment_id)
    rows = connection.execute(query.order_by(table.c.stripe_payment_intent_id)).mappings()
    return [Candidate(**row) for row in rows]


def forget(connection: Connection, *, run_id: int) -> None:
    """Forget those of a run."""
    connection.execute(table.delete().where(table.c.run_id == run_id))
