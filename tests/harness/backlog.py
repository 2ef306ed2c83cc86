"""Fills a Payment Database with what is over and a backlog that PostgreSQL's statistics do not know of."""

from tests.harness.rows import Rows

OVER, WAITING = 60_000, 20_000

PAYMENTS = """
INSERT INTO payment (payment_id, order_id, amount, currency, status, payment_method, capture_method, metadata,
    fingerprint, version, stripe_payment_intent_id, created_at, updated_at)
SELECT md5('payment' || n)::uuid, md5('order' || n)::uuid, 100, 'EUR', 'CANCELED', 'pm_1', 'automatic', '{}', 'f', 1,
    'pi_' || n, now() - interval '60 days' - n * interval '1 second', now() - interval '60 days'
FROM generate_series(%s, %s) n
"""
ATTEMPTS = """
INSERT INTO payment_attempt (payment_id, number, action, path, parameters, idempotency_key, status, first_sent_at,
    sent_until, created_at, finished_at, next_action_at)
SELECT md5('payment' || n)::uuid, 1, 'charge', '/', '{{}}', 'key' || n, {status}, now(), now(), now(),
    {finished}, {due} FROM generate_series(%s, %s) n
"""
EVENTS = """
INSERT INTO stripe_event (event_id, type, livemode, payload, status, source, created_at, received_at, lease_token,
    finished_at, next_action_at)
SELECT 'evt_old_' || n, 'charge.updated', false, '{{}}', {status}, 'webhook', now(), now(), 1, {finished}, {due}
FROM generate_series(%s, %s) n
"""
NEW_EVENTS = """
INSERT INTO stripe_event (event_id, type, livemode, payload, status, source, created_at, received_at, next_action_at)
SELECT 'evt_new_' || n, 'payment_intent.created', false, '{}', 'RECEIVED', 'webhook', now(), now(), now()
FROM generate_series(%s, %s) n
"""
REFUNDS = """
INSERT INTO refund (refund_id, payment_id, amount, currency, status, amount_was_given, version, created_at, updated_at,
    waits_until)
SELECT md5('refund' || n)::uuid, md5('payment' || n)::uuid, 1, 'EUR', {status}, true, 1,
    now() - interval '60 days', now() - interval '60 days', {due}
FROM generate_series(%s, %s) n
"""
OUTBOX = """
INSERT INTO outbox (message_id, payment_id, type, data, occurred_at, published_at)
SELECT md5('message' || n)::uuid, md5('payment' || n)::uuid, 'PaymentFailed', '{{}}', now() - interval '60 days',
    {finished} FROM generate_series(%s, %s) n
"""
HISTORY = """
INSERT INTO payment_history (payment_id, to_status, cause, actor, detail, recorded_at)
SELECT md5('payment' || n)::uuid, 'CANCELED', 'requested', 'test', '{{}}',
    now() - interval '60 days' + n * interval '1 second' FROM generate_series(%s, %s) n
"""
TABLES = {
    "payment_attempt": ATTEMPTS,
    "stripe_event": EVENTS,
    "refund": REFUNDS,
    "outbox": OUTBOX,
    "payment_history": HISTORY,
}
STATUS_OVER = {"payment_attempt": "'ABSENT'", "stripe_event": "'PROCESSED'", "refund": "'CANCELED'"}
STATUS_OPEN = {"payment_attempt": "'OPEN'", "stripe_event": "'RECEIVED'", "refund": "'REQUESTED'"}


def fill(rows: Rows, *, over: int = OVER, waiting: int = WAITING) -> None:
    """Make both, with statistics of the first alone, and keep PostgreSQL from looking again."""
    rows("SET session_replication_role = replica")
    for table in ("payment", *TABLES):
        rows(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
    rows(PAYMENTS, 1, over + waiting)
    for table, made in TABLES.items():
        rows(made.format(status=STATUS_OVER.get(table), finished="now()", due="NULL"), 1, over)
    rows("ANALYZE")
    due = "now() - interval '1 hour' * random()"
    for table, made in TABLES.items():
        rows(made.format(status=STATUS_OPEN.get(table), finished="NULL", due=due), over + 1, over + waiting)
