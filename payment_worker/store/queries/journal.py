"""Reads the journal of a period in a fixed order, and its trial balance."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, text

JOURNAL: Final = (
    "occurred_at",
    "kind",
    "reference",
    "stripe_account",
    "ledger_account",
    "currency",
    "amount",
    "object_id",
    "payment_id",
    "refund_id",
    "stripe_dispute_id",
    "stripe_payout_id",
)
"""The columns of the journal."""

TRIAL_BALANCE: Final = (
    "stripe_account",
    "ledger_account",
    "currency",
    "opening",
    "debits",
    "credits",
    "closing",
)
"""The columns of the trial balance."""

# Nothing in it depends on when or in which order something was imported.
_JOURNAL: Final = text(f"""
SELECT {", ".join(f"entry.{name}" if name in ("stripe_account", "kind") else name for name in JOURNAL)}
FROM ledger_entry AS entry JOIN ledger_posting AS posting USING (entry_id)
WHERE occurred_at >= :since AND occurred_at < :until
ORDER BY occurred_at, kind, reference, currency, amount DESC, ledger_account, posting_id
""")  # noqa: S608 - the names above

# From what is now, back to then: what was posted since the month began is read, however much was before.
_TRIAL_BALANCE: Final = text("""
WITH since AS MATERIALIZED (
    SELECT posting.stripe_account, ledger_account, currency,
        sum(amount) FILTER (WHERE occurred_at < :until AND amount > 0) AS debits,
        -sum(amount) FILTER (WHERE occurred_at < :until AND amount < 0) AS credits,
        sum(amount) FILTER (WHERE occurred_at >= :until) AS amount_after,
        sum(abs(amount)) FILTER (WHERE occurred_at >= :until) AS volume_after
    FROM ledger_entry JOIN ledger_posting AS posting USING (entry_id) WHERE occurred_at >= :since GROUP BY 1, 2, 3
), closed AS (
    SELECT stripe_account, ledger_account, currency, coalesce(debits, 0)::bigint AS debits,
        coalesce(credits, 0)::bigint AS credits, (amount - coalesce(amount_after, 0))::bigint AS closing
    FROM ledger_balance LEFT JOIN since USING (stripe_account, ledger_account, currency)
    WHERE volume > coalesce(volume_after, 0)
)
SELECT stripe_account, ledger_account, currency, closing - debits + credits AS opening, debits, credits, closing
FROM closed ORDER BY 1, 3, 2
""")


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month in UTC."""

    since: datetime
    until: datetime


def journal(connection: Connection, month: Month) -> Iterator[dict[str, Any]]:
    """Every posting of the month, as Stripe's clock has it."""
    streaming = connection.execution_options(stream_results=True)
    rows = streaming.execute(_JOURNAL, {"since": month.since, "until": month.until})
    for row in rows.mappings():
        yield dict(row)


def trial_balance(connection: Connection, month: Month) -> Iterator[dict[str, Any]]:
    """What each account had before the month, what was posted in it, and what it has after it."""
    rows = connection.execute(_TRIAL_BALANCE, {"since": month.since, "until": month.until})
    for row in rows.mappings():
        yield dict(row)
