"""Archive attempts and history that are past their retention: history leaves its table only for its archive."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ARCHIVE = """
CREATE TABLE payment_attempt_archive (LIKE payment_attempt, PRIMARY KEY (attempt_id));
COMMENT ON TABLE payment_attempt_archive IS
    'Attempts of payments to which nothing happened for as long as records of money are kept. As payment_attempt.';
CREATE INDEX payment_attempt_archive_payment_id ON payment_attempt_archive (payment_id);

CREATE TABLE payment_history_archive (LIKE payment_history, PRIMARY KEY (history_id));
COMMENT ON TABLE payment_history_archive IS
    'History of payments to which nothing happened for as long as records of money are kept. Append-only.';
CREATE INDEX payment_history_archive_payment_id ON payment_history_archive (payment_id, history_id);
CREATE TRIGGER payment_history_archive_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payment_history_archive
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_history();
"""

GUARD = """
CREATE FUNCTION refuse_to_lose_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT * FROM gone
        EXCEPT ALL
        SELECT * FROM payment_history_archive WHERE history_id IN (SELECT history_id FROM gone)
    ) THEN
        RAISE EXCEPTION 'payment_history is append-only: DELETE refused of what is not in payment_history_archive';
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER payment_history_is_append_only ON payment_history;
CREATE TRIGGER payment_history_is_append_only BEFORE UPDATE OR TRUNCATE ON payment_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_history();
CREATE TRIGGER payment_history_is_never_lost AFTER DELETE ON payment_history REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_lose_history();
"""

BRING_BACK = """
INSERT INTO payment_attempt OVERRIDING SYSTEM VALUE SELECT * FROM payment_attempt_archive;
INSERT INTO payment_history OVERRIDING SYSTEM VALUE SELECT * FROM payment_history_archive;
DROP TRIGGER payment_history_is_never_lost ON payment_history;
DROP TRIGGER payment_history_is_append_only ON payment_history;
DROP FUNCTION refuse_to_lose_history;
CREATE TRIGGER payment_history_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payment_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_history();
DROP TABLE payment_attempt_archive, payment_history_archive;
"""


def upgrade() -> None:
    """Make the archives, and let go of history only what is in its archive."""
    for statement in (ARCHIVE, GUARD):
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """Bring back what was archived, and drop the archives."""
    op.get_bind().exec_driver_sql(BRING_BACK)
