"""Fills a Payment Database with what is over and a backlog that PostgreSQL's statistics do not know of."""

from collections.abc import Mapping
from typing import Final

from tests.harness.rows import Rows

# Not in the order of the rows: whoever reads them by an index reads a page for each.
_LONG_AGO: Final = "now() - interval '60 days' - interval '1 day' * random()"
_DUE: Final = "now() - interval '1 day' - interval '1 hour' * random()"
_ID: Final = "lpad(to_hex(n), 32, '0')::uuid"

_ROWS: Final[Mapping[str, str]] = {
    "payment": f"""
        (payment_id, order_id, amount, currency, status, payment_method, capture_method, fingerprint,
         stripe_payment_intent_id, created_at, updated_at, action_expires_at, adoption_due_at)
        SELECT {_ID}, 'order' || n, 100, 'EUR', {{status}}, 'pm_1', 'automatic', 'f', 'pi_old_' || n,
         {_LONG_AGO}, {_LONG_AGO}, {{due}}, {{due}}""",
    "payment_attempt": f"""
        (payment_id, number, action, path, parameters, idempotency_key, status, first_sent_at, sent_until, created_at,
         finished_at, next_action_at)
        SELECT {_ID}, 1, 'charge', '/', '{{{{}}}}', 'key' || n, {{status}}, {_LONG_AGO}, now(), now(),
         {{finished}}, {{due}}""",
    "stripe_event": """
        (event_id, type, livemode, payload, status, source, created_at, received_at, lease_token, finished_at,
         next_action_at)
        SELECT 'evt_old_' || n, 'charge.updated', false, '{{}}', {status}, 'webhook', now(), now(), n %% 2, {finished},
         {due}""",
    "refund": f"""
        (refund_id, payment_id, amount, currency, status, amount_was_given, created_at, updated_at, waits_until)
        SELECT {_ID}, {_ID}, 1, 'EUR', {{status}}, true, {_LONG_AGO}, {_LONG_AGO}, {{due}}""",
    "outbox": f"""
        (message_id, payment_id, type, data, occurred_at, published_at)
        SELECT {_ID}, {_ID}, 'PaymentFailed', '{{{{}}}}', {_LONG_AGO}, {{finished}}""",
    "payment_history": f"""
        (payment_id, to_status, cause, actor, recorded_at)
        SELECT {_ID}, 'CANCELED', 'requested', 'test', now() - interval '60 days' + n * interval '1 second'""",
    "dispute": f"""
        (stripe_dispute_id, payment_id, status, amount, currency, evidence_due_by, created_at, updated_at)
        SELECT 'du_old_' || n, {_ID}, {{status}}, 100, 'EUR', now(), {_LONG_AGO}, {_LONG_AGO}""",
    "early_fraud_warning": f"""
        (stripe_early_fraud_warning_id, payment_id, fraud_type, is_actionable, next_action_at, warned_at, created_at,
         updated_at)
        SELECT 'issfr_old_' || n, {_ID}, 'misc', true, {{due}}, {_LONG_AGO}, {_LONG_AGO}, {_LONG_AGO}""",
    "reconciliation_finding": f"""
        (kind, object_id, payment_id, status, found_at, resolved_at)
        SELECT 'payment_status_differs', 'pi_old_' || n, {_ID}, {{status}}, {_LONG_AGO}, {{finished}}""",
    "rejected_request": f"""
        (request_id, task, arguments, errors, ids, is_complete, received_at)
        SELECT {_ID}, 'payment_worker.charge', '{{{{}}}}', '[]', ARRAY[{_ID}::text], true,
         {_LONG_AGO}""",
    "balance_transaction": f"""
        (stripe_balance_transaction_id, type, status, amount, fee, net, currency, source_id, available_on, created_at,
         seen_at)
        SELECT 'txn_old_' || n, 'charge', 'available', 100, 1, 99, 'EUR', 'ch_old_' || n, {_LONG_AGO}, {_LONG_AGO},
         {_LONG_AGO}""",
    "ledger_entry": f"""
        (stripe_account, kind, reference, occurred_at, recorded_at)
        SELECT '', 'balance_transaction', 'txn_old_' || n, {_LONG_AGO}, {_LONG_AGO}""",
    "ledger_posting": f"""
        (entry_id, ledger_account, stripe_account, currency, amount, object_id, payment_id)
        SELECT n, 'customers', '', 'EUR', -100, 'pi_old_' || n, {_ID}""",
    "ledger_uncleared": f"""
        (stripe_account, object_id, currency, ledger_account, ours, theirs, since)
        SELECT '', 'pi_old_' || n, 'EUR', 'customers', 100, 0, {_LONG_AGO}""",
}
_OVER: Final = {
    "payment": "CANCELED",
    "payment_attempt": "ABSENT",
    "stripe_event": "PROCESSED",
    "refund": "CANCELED",
    "dispute": "LOST",
    "reconciliation_finding": "CLOSED",
}
_WAITING: Final = {
    "payment": "REQUIRES_ACTION",
    "payment_attempt": "OPEN",
    "stripe_event": "RECEIVED",
    "refund": "REQUESTED",
    "dispute": "NEEDS_RESPONSE",
    "reconciliation_finding": "OPEN",
}
_ARCHIVED: Final = {"payment_attempt": "attempt_id", "payment_history": "history_id"}
GROWING: Final = frozenset({*_ROWS, *(f"{table}_archive" for table in _ARCHIVED)})
"""Those that grow with the business."""


def fill(rows: Rows, *, over: int, waiting: int) -> None:
    """Make both, with statistics of the first alone, and keep PostgreSQL from looking again."""
    rows("SET session_replication_role = replica")
    for table in _ROWS:
        rows(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
        if table != "ledger_uncleared":
            _insert(rows, table, _OVER, finished="now()", due="NULL::timestamptz", numbers=(1, over))
    for table, key in _ARCHIVED.items():
        as_of_others = f"jsonb_populate_record({table}, jsonb_build_object('{key}', -{key}))"
        rows(f"INSERT INTO {table}_archive SELECT other.* FROM {table}, {as_of_others} other")  # noqa: S608 ours
    rows("ANALYZE")
    for table in _ROWS:
        _insert(rows, table, _WAITING, finished="NULL", due=_DUE, numbers=(over + 1, over + waiting))


def _insert(
    rows: Rows, table: str, statuses: Mapping[str, str], *, finished: str, due: str, numbers: tuple[int, int]
) -> None:
    made = _ROWS[table].format(status=f"'{statuses.get(table)}'", finished=finished, due=due)
    rows(f"INSERT INTO {table} {made} FROM generate_series(%s, %s) n", *numbers)
