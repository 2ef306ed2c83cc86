"""Capture, cancel and try again: further actions of an attempt, and what a payment tells of them."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

PAYMENT = """
ALTER TABLE payment
    ADD COLUMN advice_code text,
    ADD COLUMN retries integer NOT NULL DEFAULT 0 CHECK (retries >= 0),
    ADD COLUMN capture_before timestamptz,
    ADD COLUMN action_url text CHECK (action_url NOT LIKE '%secret%'),
    ADD COLUMN cancellation_reason text;
COMMENT ON COLUMN payment.advice_code IS 'What the issuer advises after a decline, in Stripe''s word.';
COMMENT ON COLUMN payment.retries IS 'How often it was tried again after a decline.';
COMMENT ON COLUMN payment.capture_before IS 'When the issuer lets go what was authorised, as far as Stripe tells.';
COMMENT ON COLUMN payment.action_url IS 'Where its customer has to be sent, while it waits for them.';
COMMENT ON COLUMN payment.cancellation_reason IS
    'Why it is canceled, or was asked to be: the caller''s word, or Stripe''s, of which `automatic` and `expired` mean '
    'that an authorisation ran out.';
"""

ATTEMPT = """
ALTER TABLE payment_attempt
    DROP CONSTRAINT payment_attempt_action_check,
    ADD CONSTRAINT payment_attempt_action_check CHECK
        (action IN ('charge', 'refund', 'capture', 'cancel', 'retry')) NOT VALID,
    ADD COLUMN request_id uuid,
    ADD COLUMN retry_at timestamptz,
    ADD CONSTRAINT attempt_is_followed_once_it_is_over CHECK (retry_at IS NULL OR finished_at IS NOT NULL) NOT VALID;
COMMENT ON COLUMN payment_attempt.request_id IS
    'The message that asked for it, where its request has no other id: the same message again asks for nothing.';
COMMENT ON COLUMN payment_attempt.retry_at IS
    'When the worker tries again by itself after this decline; null: it does not, or has.';
CREATE INDEX payment_attempt_request_id ON payment_attempt (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX payment_attempt_retry_at ON payment_attempt (retry_at) WHERE retry_at IS NOT NULL;
"""

# Every row obeys what was the rule until now, so each does without being read; this says so, and locks nobody out.
VALIDATE = """
ALTER TABLE payment_attempt
    VALIDATE CONSTRAINT payment_attempt_action_check, VALIDATE CONSTRAINT attempt_is_followed_once_it_is_over;
"""

DOWNGRADE = """
DROP INDEX payment_attempt_request_id, payment_attempt_retry_at;
ALTER TABLE payment_attempt
    DROP CONSTRAINT payment_attempt_action_check,
    ADD CONSTRAINT payment_attempt_action_check CHECK (action IN ('charge', 'refund')) NOT VALID,
    DROP CONSTRAINT attempt_is_followed_once_it_is_over,
    DROP COLUMN request_id,
    DROP COLUMN retry_at;
ALTER TABLE payment
    DROP COLUMN advice_code,
    DROP COLUMN retries,
    DROP COLUMN capture_before,
    DROP COLUMN action_url,
    DROP COLUMN cancellation_reason;
"""


def upgrade() -> None:
    """Add the columns and let attempts do more. None of it rewrites a table."""
    for statement in (PAYMENT, ATTEMPT, VALIDATE):
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def downgrade() -> None:
    """Drop them. Attempts to capture, cancel and try again stay; no new ones can be noted."""
    op.get_bind().exec_driver_sql(DOWNGRADE)
