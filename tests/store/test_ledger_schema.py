"""The Payment Database itself refuses an entry that does not sum to zero, and every change of the journal."""

import psycopg2
import pytest

from tests.harness.rows import Rows

ENTRY = """
INSERT INTO ledger_entry (stripe_account, kind, reference, occurred_at, recorded_at)
VALUES ('', %s, %s, now(), now()) RETURNING entry_id
"""
POSTINGS = """
INSERT INTO ledger_posting (entry_id, ledger_account, stripe_account, currency, amount, object_id)
VALUES (%s, 'customers', '', 'EUR', %s, 'pi_1'), (%s, 'sales', '', %s, %s, NULL)
"""


def post(rows: Rows, *, kind: str, reference: str, amount: int, other: int, currency: str = "EUR") -> None:
    entry = rows.one(ENTRY, kind, reference)["entry_id"]
    rows(POSTINGS, entry, amount, entry, currency, other)


@pytest.mark.parametrize(("other", "currency"), [(-999, "EUR"), (1000, "EUR"), (-1000, "USD")])
def test_an_entry_that_does_not_sum_to_zero_in_each_currency_is_refused(
    rows: Rows, other: int, currency: str
) -> None:
    with pytest.raises(psycopg2.errors.CheckViolation):
        post(rows, kind="record", reference="1", amount=1000, other=other, currency=currency)
    assert rows("SELECT * FROM ledger_balance") == []


@pytest.mark.parametrize("table", ["ledger_entry", "ledger_posting"])
@pytest.mark.parametrize(
    "change", ["DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET stripe_account = 'acct_1'"]
)
def test_the_journal_only_grows(rows: Rows, table: str, change: str) -> None:
    post(rows, kind="record", reference="1", amount=1000, other=-1000)
    with pytest.raises(psycopg2.errors.RaiseException, match="append-only"):
        rows(change.format(table))


def test_a_fact_is_posted_once(rows: Rows) -> None:
    post(rows, kind="record", reference="1", amount=1000, other=-1000)
    with pytest.raises(psycopg2.errors.UniqueViolation):
        post(rows, kind="record", reference="1", amount=1000, other=-1000)


def test_what_both_sides_posted_is_cleared_in_whichever_order(rows: Rows) -> None:
    post(rows, kind="balance_transaction", reference="txn_1", amount=-1000, other=1000)
    assert rows("SELECT object_id, ours, theirs FROM ledger_uncleared") == [
        {"object_id": "pi_1", "ours": 0, "theirs": -1000}
    ]
    post(rows, kind="record", reference="1", amount=1000, other=-1000)
    assert rows("SELECT * FROM ledger_uncleared") == []
    assert rows("SELECT ledger_account, amount FROM ledger_balance ORDER BY 1") == [
        {"ledger_account": "customers", "amount": 0},
        {"ledger_account": "sales", "amount": 0},
    ]
    assert rows("SELECT ledger_account, debits, credits FROM ledger_daily_balance ORDER BY 1") == [
        {"ledger_account": "customers", "debits": 1000, "credits": 1000},
        {"ledger_account": "sales", "debits": 1000, "credits": 1000},
    ]
