"""No page reads a table wholly that grows with the business: each of its statements has an index to go by."""

from tests.console.conftest import PAGES, Start, a_payment
from tests.harness.rows import Rows

GROWING = (
    *("payment", "refund", "dispute", "payment_attempt", "payment_history", "stripe_event", "outbox"),
    *("reconciliation_finding", "rejected_request", "operator_action"),
    *("balance_transaction", "ledger_entry", "ledger_posting", "payout"),
)
FILTERS = {"since": "2001-02-03", "until": "2001-02-04", "currency": "EUR", "least": "1", "status": "FAILED"}
READ = """
SELECT relname, seq_scan, idx_scan FROM pg_stat_user_tables
WHERE relname = ANY(%s) AND schemaname = current_schema()
"""


def test_every_page_goes_by_indexes(console: Start, environment: dict[str, str], rows: Rows) -> None:
    payment = a_payment(rows, customer_id="c")
    rows(
        """INSERT INTO payout (stripe_payout_id, amount, currency, status, is_automatic, arrival_date, created_at,
                               updated_at) VALUES ('po_1', 1, 'EUR', 'PAID', true, '2001-02-03', now(), now())"""
    )
    rows("SELECT pg_stat_reset()")
    # Tables are so small here that reading them wholly is cheapest: as it is, PostgreSQL does so only where it must.
    separator = "&" if "?" in environment["DATABASE_URL"] else "?"
    forced = f"{environment['DATABASE_URL']}{separator}options=-c%20enable_seqscan%3Doff"
    running = console(settings={"DATABASE_URL": forced})
    pages: list[tuple[str, dict[str, str]]] = [(path, {}) for path in PAGES]
    pages += [(path, FILTERS) for path in ("/payments", "/refunds")]
    ids = (str(payment["payment_id"]), str(payment["order_id"]), "c", "evt_1")
    pages += [(path, {"q": each}) for path in ("/payments", "/refunds") for each in ids]
    pages += [(path, {"status": "ALL"}) for path in ("/findings", "/events")]
    pages += [("/events", {"status": "PROCESSED"})]
    pages += [("/requests/rejected", {"id": "r"}), ("/requests/rejected", {"task": "payment_worker.charge"})]
    pages += [("/balance", {"day": "2001-02-03"}), ("/payouts/po_1", {})]
    pages += [(f"/payments/{payment['payment_id']}", {})]
    for path, query in pages:
        assert running.reader.get(path, **query).status == 200, path
    running.process.stop()  # its sessions report what they read when they end

    read = {row["relname"]: row for row in rows(READ, list(GROWING))}
    assert read.keys() == set(GROWING)
    assert read["payment"]["idx_scan"] > len(pages) / 2
    assert {name for name, row in read.items() if row["seq_scan"]} == set()
