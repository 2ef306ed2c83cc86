"""Remember how far a look came, so that a list that one round cannot read is read by several."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# The archive holds the same columns, in the same order.
LOOK = """
ALTER TABLE payment_attempt
    ADD COLUMN looked_at timestamptz,
    ADD COLUMN looked_after text,
    ADD CONSTRAINT attempt_is_looked_for_up_to_a_place CHECK
        ((looked_at IS NULL) = (looked_after IS NULL)) NOT VALID;
ALTER TABLE payment_attempt_archive
    ADD COLUMN looked_at timestamptz,
    ADD COLUMN looked_after text;
COMMENT ON COLUMN payment_attempt.looked_at IS
    'When the round began that read to `looked_after`; whatever is sent later makes that place void.';
COMMENT ON COLUMN payment_attempt.looked_after IS
    'The last object that was read of a list that one round could not read to its end; the next goes on after it.';
"""

# No row has either, so each obeys without being read; this says so, and locks nobody out.
VALIDATE = "ALTER TABLE payment_attempt VALIDATE CONSTRAINT attempt_is_looked_for_up_to_a_place"

DOWNGRADE = """
ALTER TABLE payment_attempt
    DROP CONSTRAINT attempt_is_looked_for_up_to_a_place,
    DROP COLUMN looked_at,
    DROP COLUMN looked_after;
ALTER TABLE payment_attempt_archive
    DROP COLUMN looked_at,
    DROP COLUMN looked_after;
"""


def upgrade() -> None:
    """Add the columns. None of it rewrites a table."""
    for statement in (LOOK, VALIDATE):
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """Drop them: a look that goes on begins at the top of its list again, which is slower and no less true."""
    op.get_bind().exec_driver_sql(DOWNGRADE)
