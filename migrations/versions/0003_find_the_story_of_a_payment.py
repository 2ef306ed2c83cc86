"""Find the story of a payment by any id that somebody may hold, without reading whole tables."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INDEXES = {
    "payment_stripe_charge_id": "payment (stripe_charge_id)",
    "stripe_event_object_id": "stripe_event (object_id)",
    "stripe_event_event_id": "stripe_event (event_id)",
    "outbox_payment_id": "outbox (payment_id)",
}


def upgrade() -> None:
    """Make the indexes."""
    for name, columns in INDEXES.items():
        op.get_bind().exec_driver_sql(f"CREATE INDEX {name} ON {columns}")


def downgrade() -> None:
    """Drop them: nothing is lost."""
    op.get_bind().exec_driver_sql(f"DROP INDEX {', '.join(INDEXES)}")
