"""Computes the ledger's balance and uncleared objects by Stripe account and currency."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, text

AGES: Final = ("any", "1d", "4d")
"""From which age on something counts as unexplained."""


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
    """What is in suspense: balance transactions that nobody can place yet."""
    oldest_amount: int
    """Of what is not cleared or in suspense, the oldest."""
    oldest_at: datetime | None
    a_day_old: int
    """What has not been cleared, or in suspense, for a day; likewise the next."""
    four_days_old: int
    volume: int
    """All that ever moved the balance, either way."""
    proven_at: datetime | None

    @property
    def difference(self) -> int | None:
        """What Stripe has more than the ledger."""
        return None if self.stripe is None else self.stripe - self.ledger

    @property
    def explained_shares(self) -> Mapping[str, float]:
        """The part of all movements that is neither in suspense nor waits to be cleared, by age: 1.0 for all.

        Older than a day, or than four: leaving out what is younger.
        """
        unexplained = (self.uncleared + self.unexplained, self.a_day_old, self.four_days_old)
        return {age: self._share(amount) for age, amount in zip(AGES, unexplained, strict=True)}

    def _share(self, unexplained: int) -> float:
        return 1 - min(unexplained, self.volume) / self.volume if self.volume else 1.0


_WAITING: Final = """
    SELECT stripe_account, currency,
        coalesce(sum(amount) FILTER (WHERE ledger_account = 'customers'), 0) AS uncleared,
        count(*) FILTER (WHERE ledger_account = 'customers') AS uncleared_objects,
        min(since) FILTER (WHERE ledger_account = 'customers') AS oldest_uncleared_at,
        coalesce(sum(amount) FILTER (WHERE ledger_account = 'unexplained'), 0) AS unexplained,
        min(since) AS oldest_at, (array_agg(amount ORDER BY since))[1] AS oldest_amount,
        coalesce(sum(amount) FILTER (WHERE since <= moment - interval '1 day'), 0) AS a_day_old,
        coalesce(sum(amount) FILTER (WHERE since <= moment - interval '4 days'), 0) AS four_days_old
    FROM left_over, (SELECT coalesce(CAST(:at AS timestamptz), now()) AS moment) AS asked GROUP BY 1, 2
"""
_COLUMNS: Final = """
    coalesce(uncleared, 0) AS uncleared, coalesce(uncleared_objects, 0) AS uncleared_objects, oldest_uncleared_at,
    coalesce(unexplained, 0) AS unexplained, coalesce(oldest_amount, 0) AS oldest_amount, oldest_at,
    coalesce(a_day_old, 0) AS a_day_old, coalesce(four_days_old, 0) AS four_days_old,
"""

_NOW: Final = text(f"""
WITH held AS (
    SELECT stripe_account, currency,
        coalesce(sum(amount) FILTER (WHERE ledger_account = 'stripe_balance'), 0) AS ledger,
        coalesce(sum(volume) FILTER (WHERE ledger_account IN ('stripe_balance', 'opening_balance')), 0) AS volume
    FROM ledger_balance GROUP BY 1, 2
), left_over AS (
    SELECT stripe_account, currency, ledger_account, abs(ours + theirs) AS amount, since FROM ledger_uncleared
), waiting AS ({_WAITING})
SELECT stripe_account, currency, {_COLUMNS}
    available + pending + reserved AS stripe, available,
    coalesce(proof.ledger, held.ledger, 0) AS ledger, coalesce(held.volume, 0) AS volume, proof.proven_at
FROM held FULL JOIN balance_proof AS proof USING (stripe_account, currency)
    FULL JOIN waiting USING (stripe_account, currency)
ORDER BY 1, 2
""")  # noqa: S608 - the texts above

# Of whole days what they came to, and of the day itself what was posted until then.
_AT: Final = text(f"""
WITH then_held AS (
    SELECT stripe_account, ledger_account, currency, sum(amount) AS amount, sum(volume) AS volume
    FROM (
        SELECT stripe_account, ledger_account, currency, debits - credits AS amount, debits + credits AS volume
        FROM ledger_daily_balance
        WHERE day < (CAST(:at AS timestamptz) AT TIME ZONE 'UTC')::date
        UNION ALL
        SELECT posting.stripe_account, ledger_account, currency, amount, abs(amount)
        FROM ledger_entry JOIN ledger_posting AS posting USING (entry_id)
        WHERE occurred_at <= :at AND occurred_at >= date_trunc('day', CAST(:at AS timestamptz), 'UTC')
    ) AS each GROUP BY 1, 2, 3
), held AS (
    SELECT stripe_account, currency,
        coalesce(sum(amount) FILTER (WHERE ledger_account = 'stripe_balance'), 0) AS ledger,
        coalesce(sum(volume) FILTER (WHERE ledger_account IN ('stripe_balance', 'opening_balance')), 0) AS volume
    FROM then_held GROUP BY 1, 2 HAVING sum(volume) <> 0
), opening AS (
    SELECT posting.stripe_account, currency, sum(amount) AS amount
    FROM ledger_entry AS entry JOIN ledger_posting AS posting USING (entry_id)
    WHERE kind = 'opening' AND occurred_at <= :at AND ledger_account = 'stripe_balance' GROUP BY 1, 2
), told AS (
    SELECT stripe_account, currency, sum(net) AS net
    FROM balance_transaction AS line JOIN balance_import USING (stripe_account)
    WHERE line.created_at <= :at AND line.created_at >= begins_at GROUP BY 1, 2
), left_over AS (
    SELECT stripe_account, currency, ledger_account, abs(sum(amount)) AS amount, (
        SELECT min(occurred_at) FROM ledger_posting AS posting JOIN ledger_entry USING (entry_id)
        WHERE posting.object_id = each.object_id AND posting.stripe_account = each.stripe_account
            AND posting.ledger_account = each.ledger_account AND occurred_at <= :at
    ) AS since
    FROM (
        SELECT stripe_account, currency, ledger_account, object_id, ours + theirs AS amount FROM ledger_uncleared
        UNION ALL
        SELECT posting.stripe_account, currency, ledger_account, object_id, -amount
        FROM ledger_entry JOIN ledger_posting AS posting USING (entry_id)
        WHERE occurred_at > :at AND ledger_account IN ('customers', 'unexplained')
    ) AS each GROUP BY stripe_account, currency, ledger_account, object_id HAVING sum(amount) <> 0
), waiting AS ({_WAITING})
SELECT stripe_account, currency, {_COLUMNS}
    coalesce(told.net, 0) + coalesce(opening.amount, 0) AS stripe, NULL::bigint AS available,
    held.ledger, held.volume, NULL::timestamptz AS proven_at
FROM held LEFT JOIN told USING (stripe_account, currency) LEFT JOIN opening USING (stripe_account, currency)
    LEFT JOIN waiting USING (stripe_account, currency)
ORDER BY 1, 2
""")  # noqa: S608 - the texts above

_NUMBERS: Final = frozenset(
    {field.name for field in fields(BalanceRow)}
    - {"stripe_account", "currency", "oldest_uncleared_at", "oldest_at", "proven_at"}
)


def balances(connection: Connection, *, at: datetime | None = None) -> Sequence[BalanceRow]:
    """Every account's balance, as it was last compared; or as it was at an instant, by the transactions read since."""
    rows = connection.execute(_AT if at else _NOW, {"at": at})
    return [BalanceRow(**_with_integers(row)) for row in rows.mappings()]


def _with_integers(row: RowMapping) -> dict[str, Any]:
    """PostgreSQL's sums of bigint are numeric."""
    return {name: int(row[name]) if name in _NUMBERS and row[name] is not None else row[name] for name in row}


def uncleared(connection: Connection, *, limit: int) -> Sequence[RowMapping]:
    """The objects that our records and Stripe's balance do not agree on, or of an unknown type, oldest first."""
    query = (
        "SELECT stripe_account, object_id, currency, ours, theirs, since FROM ledger_uncleared ORDER BY since"
    )
    return connection.execute(text(f"{query} LIMIT :limit"), {"limit": limit}).mappings().all()


def imported_until(connection: Connection) -> datetime | None:
    """When the list was read to its end of the account that waits longest; None before the first."""
    at: datetime | None = connection.scalar(text("SELECT min(imported_at) FROM balance_import"))
    return at


def pending_refunds(connection: Connection) -> Sequence[tuple[str, str, int]]:
    """Refunds that Stripe has accepted and the bank does not have yet: currency, account, minor units."""
    query = text(
        "SELECT refund.currency, stripe_account, sum(refund.amount) AS amount"
        " FROM refund JOIN payment USING (payment_id) WHERE refund.status = 'PENDING' GROUP BY 1, 2"
    )
    return [(row.currency, row.stripe_account, int(row.amount)) for row in connection.execute(query)]


def imported_since(connection: Connection) -> datetime | None:
    """From when on all is imported; None before the first import."""
    at: datetime | None = connection.scalar(text("SELECT min(begins_at) FROM balance_import"))
    return at
