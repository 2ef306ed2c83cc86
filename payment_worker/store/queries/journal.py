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

_TRIAL_BALANCE: Final = text("""
SELECT stripe_account, ledger_account, currency,
    coalesce(sum(debits - credits) FILTER (WHERE day < :since), 0)::bigint AS opening,
    coalesce(sum(debits) FILTER (WHERE day >= :since), 0)::bigint AS debits,
    coalesce(sum(credits) FILTER (WHERE day >= :since), 0)::bigint AS credits,
    sum(debits - credits)::bigint AS closing
FROM ledger_daily_balance WHERE day < :until GROUP BY 1, 2, 3 ORDER BY 1, 3, 2
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
