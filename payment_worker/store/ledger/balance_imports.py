"""Rows of `balance_import`: how far the balance transactions of each Stripe account were read."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from payment_worker.store import tables
from payment_worker.store.events import event_polls

table: Final = tables.balance_import


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceImport:
    """How far the balance transactions of an account were read. The list is read backwards, from its newest end."""

    stripe_account: str
    begins_at: datetime
    is_opened: bool = False
    read_until: datetime | None = None
    window_since: datetime | None = None
    window_newest: datetime | None = None
    cursor: str | None = None
    """The last transaction that was stored of the window that is open; None where none is."""
    imported_at: datetime | None = None


def imports(connection: Connection, *, begins_at: datetime) -> Sequence[BalanceImport]:
    """What was read of each account that payments were made on; the one that has waited longest first.

    Args:
        begins_at: from when on the transactions of a new account are imported.
    """
    columns = [table.c[field.name] for field in fields(BalanceImport)]
    query = select(*columns).order_by(table.c.imported_at.nulls_first(), table.c.stripe_account)
    known_imports = {
        row["stripe_account"]: BalanceImport(**row) for row in connection.execute(query).mappings()
    }
    new_imports = [
        BalanceImport(stripe_account=name, begins_at=begins_at)
        for name in event_polls.accounts(connection)
        if name not in known_imports
    ]
    return [*new_imports, *known_imports.values()]


def save(connection: Connection, state: BalanceImport) -> None:
    """Store how far an account is read now. The position never moves back."""
    row = insert(table).values(asdict(state))
    values = {name: value for name, value in asdict(state).items() if name != "begins_at"}
    values["read_until"] = func.greatest(table.c.read_until, row.excluded.read_until)
    connection.execute(row.on_conflict_do_update(index_elements=["stripe_account"], set_=values))
