"""Record disputes whose loss is appealed."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

DISPUTE = """
ALTER TABLE dispute
    DROP CONSTRAINT dispute_status_check,
    ADD CONSTRAINT dispute_status_check CHECK (status IN
        ('WARNING_NEEDS_RESPONSE', 'WARNING_UNDER_REVIEW', 'WARNING_CLOSED',
         'NEEDS_RESPONSE', 'UNDER_REVIEW', 'APPEAL_NEEDS_RESPONSE', 'APPEAL_UNDER_REVIEW',
         'WON', 'LOST', 'PREVENTED')) NOT VALID;
"""

# Every row obeys what was the rule until now. Disputes are few: to read them all under the lock takes no time.
VALIDATE = "ALTER TABLE dispute VALIDATE CONSTRAINT dispute_status_check"

DOWNGRADE = """
UPDATE dispute SET status = 'LOST' WHERE status IN ('APPEAL_NEEDS_RESPONSE', 'APPEAL_UNDER_REVIEW');
ALTER TABLE dispute
    DROP CONSTRAINT dispute_status_check,
    ADD CONSTRAINT dispute_status_check CHECK (status IN
        ('WARNING_NEEDS_RESPONSE', 'WARNING_UNDER_REVIEW', 'WARNING_CLOSED',
         'NEEDS_RESPONSE', 'UNDER_REVIEW', 'WON', 'LOST', 'PREVENTED')) NOT VALID;
"""


def upgrade() -> None:
    """Allow two more states. None of it rewrites a table."""
    for statement in (DISPUTE, VALIDATE):
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """Take them away: what is under appeal was lost, and holds the money as a loss does."""
    for statement in (DOWNGRADE, VALIDATE):
        op.get_bind().exec_driver_sql(statement)
