"""Loses rows, as a restore of an older backup does."""

from tests.harness.rows import Rows


def lose(rows: Rows, *statements: str) -> None:
    """Run these where no trigger of the append-only history forbids them."""
    modes = ("SET session_replication_role = replica", "SET session_replication_role = origin")
    rows("; ".join((modes[0], *statements, modes[1])))


def lose_everything(rows: Rows) -> None:
    """No payment is left."""
    lose(rows, "TRUNCATE payment, refund, payment_attempt, payment_history, outbox CASCADE")
