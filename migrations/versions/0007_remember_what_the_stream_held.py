"""Remember the last entry of the stream, so that a Redis that lost its memory is noticed."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STREAM = """
CREATE TABLE stream_memory (
    stream text PRIMARY KEY,
    last_entry_id text NOT NULL,
    lost_since timestamptz,
    updated_at timestamptz NOT NULL
);
COMMENT ON TABLE stream_memory IS
    'The last entry that we added to a stream. Where the stream does not have it any more, Redis has lost its memory.';
COMMENT ON COLUMN stream_memory.lost_since IS
    'Set while what was published from then on is taken for unpublished, because the stream has lost it.';
CREATE INDEX outbox_published_at ON outbox (published_at) WHERE published_at IS NOT NULL;
"""


def upgrade() -> None:
    """Make the table, and an index that finds what was published lately."""
    op.get_bind().exec_driver_sql(STREAM.replace("%", "%%"))


def downgrade() -> None:
    """Drop them."""
    op.get_bind().exec_driver_sql("DROP INDEX outbox_published_at")
    op.get_bind().exec_driver_sql("DROP TABLE stream_memory")
