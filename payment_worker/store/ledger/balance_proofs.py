"""Rows of `balance_proof`: the balance that Stripe reported last, beside the ledger's."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from payment_worker.store import tables

table: Final = tables.balance_proof


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceProof:
    """The balance of an account in one currency, in minor units: Stripe's and the ledger's."""

    stripe_account: str
    currency: str
    available: int
    pending: int
    reserved: int
    ledger: int

    @property
    def difference(self) -> int:
        """What Stripe has more than the ledger."""
        return self.available + self.pending + self.reserved - self.ledger


def record(connection: Connection, proof: BalanceProof, *, now: datetime) -> None:
    """Store it in place of the one before."""
    values: Mapping[str, Any] = {name: getattr(proof, name) for name in BalanceProof.__slots__}
    row = insert(table).values(**values, proven_at=now)
    connection.execute(
        row.on_conflict_do_update(
            index_elements=["stripe_account", "currency"], set_={**values, "proven_at": now}
        )
    )
