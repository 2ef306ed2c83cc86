"""Record payments, refunds, their attempts and history; what is heard, told and rejected."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PAYMENT = """
CREATE TABLE payment (
    payment_id uuid PRIMARY KEY,
    order_id uuid NOT NULL,
    customer_id uuid,
    amount bigint NOT NULL CHECK (amount > 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    status text NOT NULL CHECK (status IN
        ('REQUESTED', 'PROCESSING', 'REQUIRES_ACTION', 'AUTHORIZED', 'SUCCEEDED', 'FAILED', 'CANCELED')),
    amount_authorized bigint NOT NULL DEFAULT 0 CHECK (amount_authorized BETWEEN 0 AND amount),
    amount_captured bigint NOT NULL DEFAULT 0,
    amount_refunded bigint NOT NULL DEFAULT 0,
    amount_refund_reserved bigint NOT NULL DEFAULT 0,
    failure_reason text,
    decline_code text,
    stripe_account text,
    stripe_customer text,
    stripe_payment_intent_id text,
    stripe_charge_id text,
    payment_method text NOT NULL,
    capture_method text NOT NULL CHECK (capture_method IN ('automatic', 'manual')),
    description text,
    statement_descriptor_suffix text,
    metadata jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
    fingerprint text NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT payment_is_never_over_refunded CHECK
        (0 <= amount_refunded AND amount_refunded <= amount_refund_reserved
         AND amount_refund_reserved <= amount_captured AND amount_captured <= amount),
    CONSTRAINT payment_captured_means_succeeded CHECK ((amount_captured > 0) = (status = 'SUCCEEDED')),
    CONSTRAINT payment_succeeded_names_its_payment_intent CHECK
        (status <> 'SUCCEEDED' OR stripe_payment_intent_id IS NOT NULL),
    CONSTRAINT payment_failed_has_a_reason CHECK ((status = 'FAILED') = (failure_reason IS NOT NULL))
);
COMMENT ON TABLE payment IS 'One row a payment: its current state. Amounts are minor units of its currency.';
COMMENT ON COLUMN payment.version IS
    'Raised by every write; an answer from Stripe is trusted if nothing was written since it was asked for.';
COMMENT ON COLUMN payment.amount_refund_reserved IS
    'What refunds that may still succeed, or have, hold of the captured amount.';
COMMENT ON COLUMN payment.fingerprint IS
    'SHA-256 of the request; the same id with another fingerprint is a conflict.';
CREATE UNIQUE INDEX payment_stripe_payment_intent_id ON payment (stripe_payment_intent_id);
CREATE INDEX payment_order_id ON payment (order_id);
CREATE INDEX payment_created_at ON payment (created_at);
CREATE INDEX payment_unfinished ON payment (updated_at)
    WHERE status IN ('REQUESTED', 'PROCESSING', 'REQUIRES_ACTION', 'AUTHORIZED');
"""

REFUND = """
CREATE TABLE refund (
    refund_id uuid PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payment,
    amount bigint NOT NULL CHECK (amount > 0 OR status = 'FAILED' AND amount = 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    status text NOT NULL CHECK (status IN
        ('REQUESTED', 'REQUIRES_ACTION', 'PENDING', 'PROCESSED', 'FAILED', 'CANCELED')),
    reason text,
    failure_reason text,
    requested_by text,
    note text,
    stripe_refund_id text,
    fingerprint text,
    amount_was_given boolean NOT NULL,
    waits_until timestamptz,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT refund_failed_has_a_reason CHECK ((status = 'FAILED') = (failure_reason IS NOT NULL)),
    CONSTRAINT refund_waits_only_unsent CHECK (waits_until IS NULL OR status = 'REQUESTED'),
    CONSTRAINT refund_processed_names_stripes CHECK
        (status IN ('REQUESTED', 'FAILED', 'CANCELED') OR stripe_refund_id IS NOT NULL)
);
COMMENT ON TABLE refund IS 'One row a refund: its current state. Amounts are minor units of its currency.';
COMMENT ON COLUMN refund.waits_until IS
    'Set while the payment is not known to be captured: nothing is reserved or asked of Stripe before that time.';
COMMENT ON COLUMN refund.fingerprint IS
    'SHA-256 of the request; null for a refund that was made elsewhere and adopted.';
CREATE UNIQUE INDEX refund_stripe_refund_id ON refund (stripe_refund_id);
CREATE INDEX refund_payment_id ON refund (payment_id);
CREATE INDEX refund_created_at ON refund (created_at);
CREATE INDEX refund_waiting ON refund (waits_until) WHERE waits_until IS NOT NULL;
CREATE INDEX refund_unfinished ON refund (updated_at) WHERE status IN ('REQUESTED', 'REQUIRES_ACTION', 'PENDING');
"""

ATTEMPT = """
CREATE TABLE payment_attempt (
    attempt_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payment,
    refund_id uuid REFERENCES refund,
    number integer NOT NULL CHECK (number > 0),
    action text NOT NULL CHECK (action IN ('charge', 'refund')),
    path text NOT NULL,
    parameters text NOT NULL,
    idempotency_key text NOT NULL UNIQUE CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    status text NOT NULL CHECK (status IN ('OPEN', 'UNKNOWN', 'SETTLED', 'DECLINED', 'REFUSED', 'ABSENT')),
    doubt text,
    error_code text,
    stripe_request_id text,
    tries integer NOT NULL DEFAULT 0,
    lease_token bigint NOT NULL DEFAULT 1,
    next_action_at timestamptz,
    first_sent_at timestamptz NOT NULL,
    sent_until timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    CONSTRAINT attempt_unfinished_has_a_next_action CHECK
        ((status IN ('OPEN', 'UNKNOWN')) = (finished_at IS NULL)
         AND (finished_at IS NULL) = (next_action_at IS NOT NULL)),
    CONSTRAINT attempt_unknown_has_a_doubt CHECK (status <> 'UNKNOWN' OR doubt IS NOT NULL),
    CONSTRAINT attempt_refund_names_its_refund CHECK ((action = 'refund') = (refund_id IS NOT NULL)),
    UNIQUE NULLS NOT DISTINCT (payment_id, refund_id, number)
);
COMMENT ON TABLE payment_attempt IS
    'One row a request to Stripe under one idempotency key, with what exactly is sent.';
COMMENT ON COLUMN payment_attempt.parameters IS
    'JSON text, never rewritten: the same key must go with the same parameters.';
COMMENT ON COLUMN payment_attempt.next_action_at IS
    'The lease of its owner while somebody works on it; the time of the next try otherwise.';
COMMENT ON COLUMN payment_attempt.sent_until IS
    'No request of this attempt is sent after this instant, but by whoever claims it next.';
COMMENT ON COLUMN payment_attempt.lease_token IS 'Raised by every claim; a write under an older one is refused.';
CREATE UNIQUE INDEX payment_attempt_one_unfinished_a_payment ON payment_attempt (payment_id)
    WHERE refund_id IS NULL AND finished_at IS NULL;
CREATE UNIQUE INDEX payment_attempt_one_unfinished_a_refund ON payment_attempt (refund_id)
    WHERE refund_id IS NOT NULL AND finished_at IS NULL;
CREATE INDEX payment_attempt_due ON payment_attempt (next_action_at) WHERE finished_at IS NULL;
CREATE INDEX payment_attempt_refund_id ON payment_attempt (refund_id) WHERE refund_id IS NOT NULL;
"""

HISTORY = """
CREATE TABLE payment_history (
    history_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payment,
    refund_id uuid REFERENCES refund,
    from_status text,
    to_status text NOT NULL,
    cause text NOT NULL,
    actor text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    recorded_at timestamptz NOT NULL
);
COMMENT ON TABLE payment_history IS
    'Every transition of a payment or of a refund of it, with its cause and actor. Append-only.';
CREATE INDEX payment_history_payment_id ON payment_history (payment_id, history_id);
CREATE FUNCTION refuse_to_change_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'payment_history is append-only: % refused', TG_OP;
END $$;
CREATE TRIGGER payment_history_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payment_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_history();
"""

EVENT = """
CREATE TABLE stripe_event (
    stripe_account text NOT NULL DEFAULT '',
    event_id text NOT NULL,
    type text NOT NULL,
    api_version text,
    livemode boolean NOT NULL,
    object_id text,
    payload jsonb NOT NULL,
    status text NOT NULL CHECK (status IN ('RECEIVED', 'SETTLED', 'IGNORED', 'PARKED')),
    outcome text,
    source text NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    lease_token bigint NOT NULL DEFAULT 0,
    next_action_at timestamptz,
    created_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (stripe_account, event_id),
    CONSTRAINT stripe_event_unfinished_has_a_next_action CHECK
        ((status = 'RECEIVED') = (next_action_at IS NOT NULL) AND (status = 'RECEIVED') = (finished_at IS NULL))
);
COMMENT ON TABLE stripe_event IS 'The inbox: every event that Stripe told us, once, and what came of it.';
COMMENT ON COLUMN stripe_event.stripe_account IS 'The connected account; empty for the platform''s own.';
COMMENT ON COLUMN stripe_event.outcome IS
    'What settling it did, why it is ignored, or the error it is retried or parked for.';
CREATE INDEX stripe_event_due ON stripe_event (next_action_at) WHERE status = 'RECEIVED';
CREATE INDEX stripe_event_parked ON stripe_event (received_at) WHERE status = 'PARKED';
CREATE INDEX stripe_event_received_at ON stripe_event (received_at);
"""

OUTBOX = """
CREATE TABLE outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id uuid NOT NULL UNIQUE,
    payment_id uuid NOT NULL,
    type text NOT NULL,
    data jsonb NOT NULL,
    occurred_at timestamptz NOT NULL,
    published_at timestamptz
);
COMMENT ON TABLE outbox IS
    'What we tell other apps, written with the change it tells of and published to the stream after it.';
CREATE INDEX outbox_unpublished ON outbox (position) WHERE published_at IS NULL;
CREATE INDEX outbox_occurred_at ON outbox (occurred_at);
"""

REJECTED = """
CREATE TABLE rejected_request (
    request_id uuid PRIMARY KEY,
    task text NOT NULL,
    arguments jsonb NOT NULL,
    errors jsonb NOT NULL,
    received_at timestamptz NOT NULL
);
COMMENT ON TABLE rejected_request IS
    'Requests that were refused as malformed or conflicting, so that nobody''s money request vanishes.';
CREATE INDEX rejected_request_received_at ON rejected_request (received_at);
"""


def upgrade() -> None:
    """Make the tables."""
    for statement in (PAYMENT, REFUND, ATTEMPT, HISTORY, EVENT, OUTBOX, REJECTED):
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def downgrade() -> None:
    """Drop them: every record of payments is gone after this."""
    op.get_bind().exec_driver_sql(
        "DROP TABLE rejected_request, outbox, stripe_event, payment_history, payment_attempt, refund, payment"
    )
    op.get_bind().exec_driver_sql("DROP FUNCTION refuse_to_change_history()")
