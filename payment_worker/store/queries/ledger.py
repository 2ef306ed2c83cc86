"""Computes the ledger's balance and uncleared objects by Stripe account and currency."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, text


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceRow:
    """One Stripe account in one currency. Amounts in minor units."""

    stripe_account: str
    currency: str
    stripe: int | None
    """Stripe's balance; None if it was never retrieved."""
    available: int | None
    ledger: int
    uncleared: int
    """What our records and Stripe do not agree on, or not yet: nothing is netted against anything."""
    uncleared_objects: int
    oldest_uncleared_at: datetime | None
    unexplained: int
    """What was posted to suspense, either way."""
    volume: int
    """All that ever moved the balance, either way."""
    proven_at: datetime | None

    @property
    def difference(self) -> int | None:
        """What Stripe has more than the ledger."""
        return None if self.stripe is None else self.stripe - self.ledger

    @property
    def explained_share(self) -> float:
        """The part of all movements that is neither in suspense nor waits to be cleared; 1.0 for all."""
        return 1 - min(self.uncleared + self.unexplained, self.volume) / self.volume if self.volume else 1.0


_NOW: Final = text("""
WITH held AS (
    SELECT stripe_account, currency,
        coalesce(sum(amount) FILTER (WHERE ledger_account = 'stripe_balance'), 0) AS ledger,
        coalesce(sum(volume) FILTER (WHERE ledger_account IN ('stripe_balance', 'opening_balance')), 0) AS volume,
        coalesce(sum(volume) FILTER (WHERE ledger_account = 'unexplained'), 0) AS unexplained
    FROM ledger_balance GROUP BY 1, 2
), waiting AS (
    SELECT stripe_account, currency, sum(abs(ours + theirs)) AS amount, count(*) AS objects, min(since) AS oldest
    FROM ledger_uncleared GROUP BY 1, 2
)
SELECT stripe_account, currency,
    available + pending + reserved AS stripe, available,
    coalesce(proof.ledger, held.ledger, 0) AS ledger, coalesce(waiting.amount, 0) AS uncleared,
    coalesce(waiting.objects, 0) AS uncleared_objects, waiting.oldest AS oldest_uncleared_at,
    coalesce(held.unexplained, 0) AS unexplained, coalesce(held.volume, 0) AS volume, proof.proven_at
FROM held FULL JOIN balance_proof AS proof USING (stripe_account, currency)
    FULL JOIN waiting USING (stripe_account, currency)
ORDER BY 1, 2
""")

# From what is now, back to then: what was posted since is read, not what was posted before.
_AT: Final = text("""
WITH since AS MATERIALIZED (
    SELECT posting.stripe_account, currency, ledger_account, object_id, amount
    FROM ledger_entry JOIN ledger_posting AS posting USING (entry_id) WHERE occurred_at > :at
), then_held AS (
    SELECT stripe_account, ledger_account, currency, sum(amount) AS amount, sum(volume) AS volume
    FROM (
        SELECT stripe_account, ledger_account, currency, amount, volume FROM ledger_balance
        UNION ALL SELECT stripe_account, ledger_account, currency, -amount, -abs(amount) FROM since
    ) AS each GROUP BY 1, 2, 3
), held AS (
    SELECT stripe_account, currency,
        coalesce(sum(amount) FILTER (WHERE ledger_account = 'stripe_balance'), 0) AS ledger,
        coalesce(sum(volume) FILTER (WHERE ledger_account IN ('stripe_balance', 'opening_balance')), 0) AS volume,
        coalesce(sum(volume) FILTER (WHERE ledger_account = 'unexplained'), 0) AS unexplained
    FROM then_held GROUP BY 1, 2 HAVING sum(volume) <> 0
), opening AS (
    SELECT posting.stripe_account, currency, sum(amount) AS amount
    FROM ledger_entry AS entry JOIN ledger_posting AS posting USING (entry_id)
    WHERE kind = 'opening' AND occurred_at <= :at AND ledger_account = 'stripe_balance' GROUP BY 1, 2
), told AS (
    SELECT stripe_account, currency, sum(net) AS net
    FROM balance_transaction AS line JOIN balance_import USING (stripe_account)
    WHERE line.created_at <= :at AND line.created_at >= begins_at GROUP BY 1, 2
), waiting AS (
    SELECT stripe_account, currency, sum(abs(amount)) AS amount, count(*) AS objects, min((
        SELECT min(occurred_at) FROM ledger_posting AS posting JOIN ledger_entry USING (entry_id)
        WHERE posting.object_id = each.object_id AND posting.stripe_account = each.stripe_account
            AND occurred_at <= :at
    )) AS oldest
    FROM (
        SELECT stripe_account, currency, object_id, sum(amount) AS amount
        FROM (
            SELECT stripe_account, currency, object_id, ours + theirs AS amount FROM ledger_uncleared
            UNION ALL
            SELECT stripe_account, currency, object_id, -amount FROM since WHERE ledger_account = 'customers'
        ) AS both_times GROUP BY 1, 2, 3 HAVING sum(amount) <> 0
    ) AS each GROUP BY 1, 2
)
SELECT stripe_account, currency, coalesce(told.net, 0) + coalesce(opening.amount, 0) AS stripe,
    NULL::bigint AS available, held.ledger, coalesce(waiting.amount, 0) AS uncleared,
    coalesce(waiting.objects, 0) AS uncleared_objects, waiting.oldest AS oldest_uncleared_at,
    held.unexplained, held.volume, NULL::timestamptz AS proven_at
FROM held LEFT JOIN told USING (stripe_account, currency) LEFT JOIN opening USING (stripe_account, currency)
    LEFT JOIN waiting USING (stripe_account, currency)
ORDER BY 1, 2
""")

_NUMBERS: Final = ("stripe", "available", "ledger", "uncleared", "uncleared_objects", "unexplained", "volume")


def balances(connection: Connection, *, at: datetime | None = None) -> Sequence[BalanceRow]:
    """Every account's balance, as it was last compared; or as it was at an instant, by the transactions read since."""
    rows = connection.execute(_AT, {"at": at}) if at else connection.execute(_NOW)
    return [BalanceRow(**_whole(row)) for row in rows.mappings()]


def _whole(row: RowMapping) -> dict[str, Any]:
    """PostgreSQL's sums of bigint are numeric."""
    return {name: int(row[name]) if name in _NUMBERS and row[name] is not None else row[name] for name in row}


def imported_until(connection: Connection) -> datetime | None:
    """When the list was read to its end of the account that waits longest; None before the first."""
    at: datetime | None = connection.scalar(text("SELECT min(imported_at) FROM balance_import"))
    return at


def pending_refunds(connection: Connection) -> dict[str, int]:
    """Refunds that Stripe has accepted and the bank does not have yet, in minor units by currency."""
    query = text("SELECT currency, sum(amount) AS amount FROM refund WHERE status = 'PENDING' GROUP BY 1")
    return {row.currency: int(row.amount) for row in connection.execute(query)}


def imported_since(connection: Connection) -> datetime | None:
    """From when on all is imported; None before the first import."""
    at: datetime | None = connection.scalar(text("SELECT min(begins_at) FROM balance_import"))
    return at
