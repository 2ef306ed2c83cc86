"""Record reconciliations, how far each has come, and what they found."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

RUN = """
CREATE TABLE reconciliation_run (
    run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL CHECK (until > since),
    is_scheduled boolean NOT NULL,
    status text NOT NULL CHECK (status IN ('RUNNING', 'FINISHED')),
    step text NOT NULL,
    stripe_account text NOT NULL DEFAULT '',
    cursor text,
    read_back_to timestamptz,
    payments bigint NOT NULL DEFAULT 0,
    refunds bigint NOT NULL DEFAULT 0,
    disputes bigint NOT NULL DEFAULT 0,
    repaired bigint NOT NULL DEFAULT 0,
    left_open bigint NOT NULL DEFAULT 0,
    closed bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    finished_at timestamptz,
    CONSTRAINT reconciliation_run_ends CHECK ((status = 'FINISHED') = (finished_at IS NOT NULL))
);
COMMENT ON TABLE reconciliation_run IS
    'One row a reconciliation of a period; a killed one is gone on with at its step, account and cursor.';
COMMENT ON COLUMN reconciliation_run.payments IS 'PaymentIntents of ours that were compared; likewise the next two.';
CREATE INDEX reconciliation_run_unfinished ON reconciliation_run (run_id) WHERE status = 'RUNNING';
"""

MATCH = """
CREATE UNLOGGED TABLE reconciliation_match (
    run_id bigint NOT NULL,
    object_id text NOT NULL,
    PRIMARY KEY (run_id, object_id)
);
COMMENT ON TABLE reconciliation_match IS
    'Objects of Stripe''s that a run has met on the lists: the rows without one are asked for one by one. '
    'Unlogged and deleted when the run ends: what is lost of it costs requests, nothing else.';
"""

FINDING = """
CREATE TABLE reconciliation_finding (
    finding_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    object_id text NOT NULL,
    stripe_account text,
    payment_id uuid,
    refund_id uuid,
    status text NOT NULL CHECK (status IN ('OPEN', 'REPAIRED', 'CLOSED')),
    detail jsonb NOT NULL DEFAULT '{}',
    run_id bigint REFERENCES reconciliation_run,
    found_at timestamptz NOT NULL,
    resolved_at timestamptz,
    CONSTRAINT reconciliation_finding_is_noted_once UNIQUE (kind, object_id),
    CONSTRAINT reconciliation_finding_is_resolved CHECK ((status = 'OPEN') = (resolved_at IS NULL))
);
COMMENT ON TABLE reconciliation_finding IS 'Where our record and Stripe''s differ, or did.';
COMMENT ON COLUMN reconciliation_finding.status IS
    'OPEN: left for a person. REPAIRED: our record was brought up to date. CLOSED: the difference has gone.';
COMMENT ON COLUMN reconciliation_finding.run_id IS 'The run that found it last; null where settling some news did.';
CREATE INDEX reconciliation_finding_open ON reconciliation_finding (finding_id) WHERE status = 'OPEN';
CREATE INDEX reconciliation_finding_found_at ON reconciliation_finding (found_at);
CREATE INDEX reconciliation_finding_payment_id ON reconciliation_finding (payment_id);
CREATE INDEX payment_attempt_unfinished_since ON payment_attempt (first_sent_at) WHERE finished_at IS NULL;
"""


def upgrade() -> None:
    """Make the tables."""
    for statement in (RUN, MATCH, FINDING):
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def downgrade() -> None:
    """Drop them: what was found and never repaired is forgotten."""
    op.get_bind().exec_driver_sql("DROP INDEX payment_attempt_unfinished_since")
    op.get_bind().exec_driver_sql(
        "DROP TABLE reconciliation_finding, reconciliation_match, reconciliation_run"
    )
