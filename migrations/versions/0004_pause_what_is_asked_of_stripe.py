"""Pause what is asked of Stripe, and know what was never sent."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

UPGRADE = """
ALTER TABLE payment_attempt ADD COLUMN unsent boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN payment_attempt.unsent IS
    'True while it is certain that nothing of it was ever sent; whoever claims it to send it says false first.';

CREATE TABLE pause (
    kind text PRIMARY KEY CHECK (kind <> ''),
    reason text,
    paused_by text NOT NULL,
    paused_at timestamptz NOT NULL
);
COMMENT ON TABLE pause IS 'One row for each kind of work that Stripe is not asked for now; `all` for every kind.';

CREATE TABLE pause_history (
    pause_history_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    change text NOT NULL CHECK (change IN ('paused', 'resumed')),
    reason text,
    actor text NOT NULL,
    recorded_at timestamptz NOT NULL
);
COMMENT ON TABLE pause_history IS 'Who paused and resumed what, and when. Append-only.';
CREATE FUNCTION refuse_to_change_pause_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'pause_history is append-only: % refused', TG_OP;
END $$;
CREATE TRIGGER pause_history_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON pause_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_pause_history();
"""

DOWNGRADE = """
DROP TABLE pause_history;
DROP FUNCTION refuse_to_change_pause_history;
DROP TABLE pause;
ALTER TABLE payment_attempt DROP COLUMN unsent;
"""


def upgrade() -> None:
    """Add the column and the tables."""
    op.get_bind().exec_driver_sql(UPGRADE.replace("%", "%%"))


def downgrade() -> None:
    """Drop them: what is paused goes on."""
    op.get_bind().exec_driver_sql(DOWNGRADE)
