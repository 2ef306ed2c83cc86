"""Record disputes, and what Stripe keeps of a charge."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PAYMENT = """
ALTER TABLE payment
    ADD COLUMN is_disputed boolean NOT NULL DEFAULT false,
    ADD COLUMN stripe_balance_transaction_id text,
    ADD COLUMN fee bigint,
    ADD COLUMN net bigint,
    ADD COLUMN settlement_currency text CHECK (settlement_currency ~ '^[A-Z]{3}$'),
    ADD CONSTRAINT payment_is_booked_as_a_whole CHECK
        (num_nonnulls(stripe_balance_transaction_id, fee, net, settlement_currency) IN (0, 4));
COMMENT ON COLUMN payment.is_disputed IS 'A dispute that is open or lost holds the money: nothing can be refunded.';
COMMENT ON COLUMN payment.fee IS
    'What Stripe keeps of the charge, in minor units of settlement_currency. Known some time after success.';
COMMENT ON COLUMN payment.net IS 'What is left of the charge on the balance, in minor units of settlement_currency.';
"""

DISPUTE = """
CREATE TABLE dispute (
    stripe_dispute_id text PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payment,
    status text NOT NULL CHECK (status IN
        ('WARNING_NEEDS_RESPONSE', 'WARNING_UNDER_REVIEW', 'WARNING_CLOSED',
         'NEEDS_RESPONSE', 'UNDER_REVIEW', 'WON', 'LOST', 'PREVENTED')),
    amount bigint NOT NULL CHECK (amount >= 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    stripe_charge_id text,
    reason text,
    evidence_due_by timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
COMMENT ON TABLE dispute IS 'One row a dispute of a payment of ours: its current state, in Stripe''s words.';
COMMENT ON COLUMN dispute.amount IS 'In minor units of its currency, which may differ from the payment''s.';
CREATE INDEX dispute_payment_id ON dispute (payment_id);
ALTER TABLE payment_history ADD COLUMN stripe_dispute_id text;
COMMENT ON COLUMN payment_history.stripe_dispute_id IS 'Set where the transition is a dispute''s.';
"""


def upgrade() -> None:
    """Make the table and the columns. None of it rewrites a table."""
    for statement in (PAYMENT, DISPUTE):
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def downgrade() -> None:
    """Drop them. History rows of disputes stay, as rows of their payments."""
    op.get_bind().exec_driver_sql("ALTER TABLE payment_history DROP COLUMN stripe_dispute_id")
    op.get_bind().exec_driver_sql("DROP TABLE dispute")
    op.get_bind().exec_driver_sql(
        "ALTER TABLE payment DROP CONSTRAINT payment_is_booked_as_a_whole, DROP COLUMN settlement_currency,"
        " DROP COLUMN net, DROP COLUMN fee, DROP COLUMN stripe_balance_transaction_id, DROP COLUMN is_disputed"
    )
