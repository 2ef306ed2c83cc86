"""Remember how far Stripe's list of events has been read."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

POLL = """
CREATE TABLE event_poll (
    stripe_account text PRIMARY KEY,
    read_until timestamptz,
    window_since timestamptz,
    window_newest timestamptz,
    cursor text,
    polled_at timestamptz NOT NULL,
    CONSTRAINT event_poll_window_is_open_as_a_whole CHECK
        (num_nonnulls(window_since, window_newest, cursor) IN (0, 3))
);
COMMENT ON TABLE event_poll IS
    'One row a Stripe account: how far its events were read, and the window that is being read, if one is.';
COMMENT ON COLUMN event_poll.stripe_account IS 'The connected account; empty for the platform''s own.';
COMMENT ON COLUMN event_poll.read_until IS
    'By Stripe''s clock, the newest event that was read: the next window begins a little before it.';
COMMENT ON COLUMN event_poll.cursor IS 'The last event of the last page that was stored; the list is read backwards.';
CREATE INDEX payment_stripe_account ON payment (stripe_account) WHERE stripe_account IS NOT NULL;
"""


def upgrade() -> None:
    """Make the table, and an index that tells which connected accounts there are."""
    op.get_bind().exec_driver_sql(POLL.replace("%", "%%"))


def downgrade() -> None:
    """Drop them: the next poll then begins at the first payment."""
    op.get_bind().exec_driver_sql("DROP INDEX payment_stripe_account")
    op.get_bind().exec_driver_sql("DROP TABLE event_poll")
