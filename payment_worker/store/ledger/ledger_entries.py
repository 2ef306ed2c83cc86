"""Rows of `ledger_entry` and `ledger_posting`: each fact posted once, and sums of postings."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, bindparam, case, exists, func, select, text, true
from sqlalchemy.dialects.postgresql import JSONB, insert

from payment_worker.domain.findings.kinds import UNCLEARED, FindingKind
from payment_worker.domain.ledger.double_entry import EntryKind, LedgerAccount, Posting
from payment_worker.domain.ledger.records import RecordChange
from payment_worker.store import tables
from payment_worker.store.reconciliation.findings import FindingStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """What an entry is about, as far as we know."""

    payment_id: UUID | None = None
    refund_id: UUID | None = None
    stripe_dispute_id: str | None = None
    stripe_payout_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A fact, and what it posts."""

    kind: EntryKind
    reference: str
    stripe_account: str
    occurred_at: datetime
    postings: Sequence[Posting]
    links: Links = Links()


# One statement with two parameters, however many postings: an entry is posted as a whole, and nothing is compiled anew.
_POST: Final = text("""
WITH added AS (
    INSERT INTO ledger_entry (stripe_account, kind, reference, occurred_at, recorded_at)
    SELECT stripe_account, kind, reference, occurred_at, :now
    FROM jsonb_to_recordset(:entries) AS entry (stripe_account text, kind text, reference text, occurred_at timestamptz)
    ORDER BY kind, reference
    ON CONFLICT (kind, reference) DO NOTHING
    RETURNING entry_id, kind, reference, stripe_account
), posted AS (
    INSERT INTO ledger_posting (entry_id, stripe_account, ledger_account, currency, amount, object_id,
        payment_id, refund_id, stripe_dispute_id, stripe_payout_id)
    SELECT entry_id, stripe_account, ledger_account, currency, amount, object_id,
        payment_id, refund_id, stripe_dispute_id, stripe_payout_id
    FROM added JOIN jsonb_to_recordset(:lines) AS line (kind text, reference text, ledger_account text, currency text,
        amount bigint, object_id text, payment_id uuid, refund_id uuid, stripe_dispute_id text, stripe_payout_id text)
        USING (kind, reference)
    ORDER BY entry_id
)
SELECT count(*) FROM added
""").bindparams(bindparam("entries", type_=JSONB), bindparam("lines", type_=JSONB))


def post(connection: Connection, entries: Collection[Entry], *, now: datetime) -> int:
    """Post what is not posted yet; how many entries that is. One without postings moves nothing and is left out."""
    entries_to_post = [each for each in entries if each.postings]
    if not entries_to_post:
        return 0
    heads = [
        {
            "stripe_account": each.stripe_account,
            "kind": each.kind,
            "reference": each.reference,
            "occurred_at": each.occurred_at.isoformat(),
        }
        for each in entries_to_post
    ]
    lines = [line for each in entries_to_post for line in _lines(each)]
    return int(connection.scalar(_POST, {"entries": heads, "lines": lines, "now": now}) or 0)


def _lines(entry: Entry) -> list[dict[str, Any]]:
    links = {name: str(value) for name in Links.__slots__ if (value := getattr(entry.links, name))}
    return [
        {
            "kind": entry.kind,
            "reference": entry.reference,
            "ledger_account": posting.ledger_account,
            "currency": posting.currency,
            "amount": posting.amount,
            "object_id": posting.object_id,
            **links,
        }
        for posting in entry.postings
    ]


_LINKS: Final = text("""
SELECT stripe_payment_intent_id AS object_id, payment_id, NULL::uuid AS refund_id, NULL AS stripe_dispute_id
    FROM payment WHERE stripe_payment_intent_id = ANY(:ids)
UNION ALL
SELECT stripe_refund_id, payment_id, refund_id, NULL FROM refund WHERE stripe_refund_id = ANY(:ids)
UNION ALL
SELECT stripe_dispute_id, payment_id, NULL, stripe_dispute_id FROM dispute WHERE stripe_dispute_id = ANY(:ids)
""")

_SUSPENDED: Final = text("""
SELECT object_id FROM ledger_uncleared
WHERE stripe_account = :stripe_account AND object_id = ANY(:ids) AND ledger_account = 'unexplained'
""")

_ANOTHER_APPS: Final = text("""
SELECT DISTINCT reference FROM ledger_posting JOIN ledger_entry USING (entry_id)
WHERE object_id = ANY(:ids) AND ledger_account = 'other_movements' AND kind = 'balance_transaction'
""")

_POSTED: Final = text("""
SELECT reference, ledger_account, currency, amount, object_id
FROM ledger_entry JOIN ledger_posting USING (entry_id)
WHERE kind IN ('balance_transaction', 'reclassification') AND reference = ANY(:references)
""")


LinksById = Mapping[str, Links]
"""What of ours an object of Stripe's is, by its id."""


def links(connection: Connection, object_ids: Collection[str]) -> LinksById:
    """What of ours these PaymentIntents, Refunds and disputes are."""
    rows = connection.execute(_LINKS, {"ids": sorted(object_ids)}).mappings() if object_ids else ()
    return {
        row["object_id"]: Links(**{name: row[name] for name in row if name != "object_id"}) for row in rows
    }


def charges(connection: Connection, object_ids: Collection[str]) -> Mapping[str, str]:
    """The charges of those of these that are PaymentIntents of ours."""
    payment = tables.payment.c
    query = select(payment.stripe_payment_intent_id, payment.stripe_charge_id).where(
        payment.stripe_payment_intent_id.in_(object_ids), payment.stripe_charge_id.is_not(None)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def existing(connection: Connection, payment_ids: Collection[UUID]) -> set[UUID]:
    """Those of these payments that we have."""
    condition = tables.payment.c.payment_id.in_(payment_ids)
    return set(connection.scalars(select(tables.payment.c.payment_id).where(condition)))


def suspended(connection: Connection, transaction_ids: Collection[str], *, stripe_account: str) -> set[str]:
    """Those of these balance transactions that are posted to `unexplained`."""
    parameters = {"ids": sorted(transaction_ids), "stripe_account": stripe_account}
    return set(connection.scalars(_SUSPENDED, parameters))


def of_another_app(connection: Connection, object_ids: Collection[str]) -> Sequence[str]:
    """The balance transactions of these objects that were posted as another app's."""
    return connection.scalars(_ANOTHER_APPS, {"ids": sorted(object_ids)}).all()


@dataclass(frozen=True, slots=True)
class Posted:
    """What a balance transaction has posted so far."""

    entries: int
    postings: Sequence[Posting]


def posted(connection: Connection, transaction_ids: Collection[str]) -> dict[str, Posted]:
    """What these balance transactions have posted, their reclassifications included."""
    ids = {reference: each for each in transaction_ids for reference in references(each)}
    postings: dict[str, dict[str, list[Posting]]] = {}
    for row in connection.execute(_POSTED, {"references": sorted(ids)}).mappings():
        posting = Posting(
            ledger_account=LedgerAccount(row["ledger_account"]),
            currency=row["currency"],
            amount=row["amount"],
            object_id=row["object_id"],
        )
        postings.setdefault(ids[row["reference"]], {}).setdefault(row["reference"], []).append(posting)
    return {
        each: Posted(len(entries), [each_posting for lines in entries.values() for each_posting in lines])
        for each, entries in postings.items()
    }


def references(transaction_id: str) -> Sequence[str]:
    """The references of what a balance transaction posts: at first, and when it is reclassified, twice at most.

    It leaves `unexplained` once, and another app's transactions once.
    """
    return [transaction_id, f"{transaction_id} 1", f"{transaction_id} 2"]


_CHANGES: Final = text("""
SELECT history_id, history.payment_id, history.refund_id, history.stripe_dispute_id, from_status, to_status,
    CASE WHEN history.stripe_dispute_id IS NOT NULL THEN history.stripe_dispute_id
        WHEN history.refund_id IS NOT NULL THEN refund.stripe_refund_id
        ELSE payment.stripe_payment_intent_id END AS object_id,
    CASE WHEN history.stripe_dispute_id IS NOT NULL THEN (detail->>'amount')::bigint
        WHEN history.refund_id IS NOT NULL THEN refund.amount
        WHEN to_status = 'SUCCEEDED' OR detail ? 'amount_captured' THEN
            coalesce((detail->>'amount_captured')::bigint, payment.amount_captured)
            - coalesce((detail->>'amount_captured_before')::bigint, 0)
        ELSE 0 END AS amount,
    CASE WHEN history.stripe_dispute_id IS NOT NULL THEN detail->>'currency'
        WHEN history.refund_id IS NOT NULL THEN refund.currency ELSE payment.currency END AS currency,
    coalesce(payment.stripe_account, '') AS stripe_account, recorded_at
FROM payment_history AS history
    JOIN payment USING (payment_id)
    LEFT JOIN refund ON refund.refund_id = history.refund_id
WHERE history_id > :after ORDER BY history_id LIMIT :limit
""")


def changes(connection: Connection, *, after: int, limit: int) -> Sequence[RecordChange]:
    """Changes of our records, in the order of their ids."""
    rows = connection.execute(_CHANGES, {"after": after, "limit": limit}).mappings()
    return [RecordChange(**{**row, "object_id": row["object_id"] or ""}) for row in rows]


progress: Final = tables.ledger_progress


def posted_until(connection: Connection) -> int:
    """Up to which row of the history all is posted."""
    return connection.scalar(select(progress.c.history_id)) or 0


def save_posted_until(connection: Connection, history_id: int) -> None:
    """Note up to which row of the history all is posted."""
    row = insert(progress).values(is_only=True, history_id=history_id)
    connection.execute(row.on_conflict_do_update(index_elements=["is_only"], set_={"history_id": history_id}))


def stripe_balance(connection: Connection, stripe_account: str) -> dict[str, int]:
    """What the ledger says that Stripe has of ours on an account, by currency."""
    table = tables.ledger_balance.c
    query = select(table.currency, table.amount).where(
        table.stripe_account == stripe_account, table.ledger_account == LedgerAccount.STRIPE_BALANCE
    )
    return {row.currency: row.amount for row in connection.execute(query)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncleared:
    """An object on which our records and Stripe do not agree, or not yet."""

    stripe_account: str
    object_id: str
    currency: str
    ours: int
    theirs: int
    since: datetime

    @property
    def kind(self) -> FindingKind:
        """In which way they differ."""
        if not self.theirs:
            return FindingKind.NOT_AT_STRIPE
        return FindingKind.NOT_CLEARED if self.ours else FindingKind.NOT_IN_OUR_RECORDS


_FINDING: Final = tables.reconciliation_finding
_UNCLEARED: Final = tables.ledger_uncleared
IN_CLEARING: Final = UNCLEARED | {FindingKind.TRANSACTION_UNKNOWN}
_KIND: Final = case(
    (_UNCLEARED.c.ledger_account == LedgerAccount.UNEXPLAINED, FindingKind.TRANSACTION_UNKNOWN),
    (_UNCLEARED.c.theirs == 0, FindingKind.NOT_AT_STRIPE),
    (_UNCLEARED.c.ours == 0, FindingKind.NOT_IN_OUR_RECORDS),
    else_=FindingKind.NOT_CLEARED,
)


def uncleared(
    connection: Connection, accounts: Collection[str], *, before: datetime, limit: int
) -> Sequence[Uncleared]:
    """What has not been cleared on these accounts since before then and is no open finding, oldest first."""
    table = _UNCLEARED.c
    amounts = func.jsonb_build_object("ours", table.ours, "theirs", -table.theirs, "currency", table.currency)
    # Not EXISTS, which may read all findings that are open for each of these.
    is_as_recorded = (_FINDING.c.status == FindingStatus.OPEN) & _FINDING.c.detail.contains(amounts)
    finding = select(is_as_recorded).where(_FINDING.c.object_id == table.object_id, _FINDING.c.kind == _KIND)
    query = (
        select(*(table[name] for name in Uncleared.__slots__))
        .where(
            table.ledger_account == LedgerAccount.CUSTOMERS,
            table.stripe_account.in_(accounts),
            table.since < before,
            finding.scalar_subquery().is_not(true()),
        )
        .order_by(table.since)
        .limit(limit)
    )
    return [Uncleared(**row) for row in connection.execute(query).mappings()]


def close_cleared(connection: Connection, *, now: datetime) -> int:
    """Close the findings about what is cleared or explained by now, or differs in another way; how many were open."""
    is_uncleared = exists().where(_UNCLEARED.c.object_id == _FINDING.c.object_id, _FINDING.c.kind == _KIND)
    update = (
        _FINDING.update()
        .where(_FINDING.c.kind.in_(IN_CLEARING), _FINDING.c.status == FindingStatus.OPEN, ~is_uncleared)
        .values(status=FindingStatus.CLOSED, resolved_at=now)
    )
    return connection.execute(update).rowcount
