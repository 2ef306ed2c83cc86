"""Counts the work that is still unfinished in our rows and at the simulator."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from payment_worker.devstack.chaos.checker.lifecycle import AT_REST
from payment_worker.devstack.servers.simulator import Simulator

_SOON_SECONDS = 3600
"""Timers of the simulator beyond this (an authorisation expires after a week) are not waited for."""

_QUERIES: Mapping[str, str] = {
    "payments under way": "SELECT count(*) FROM payment WHERE status <> ALL(:at_rest)",
    "refunds under way": "SELECT count(*) FROM refund JOIN payment USING (payment_id)"
    " WHERE refund.status <> ALL(:at_rest) AND payment.status NOT IN ('REQUIRES_ACTION', 'AUTHORIZED')",
    "customers waited for": "SELECT count(*) FROM payment WHERE status = 'REQUIRES_ACTION'",
    "adoptions to continue": "SELECT count(*) FROM payment WHERE adoption_due_at IS NOT NULL",
    "warnings to decide": "SELECT count(*) FROM early_fraud_warning JOIN payment USING (payment_id)"
    " WHERE next_action_at IS NOT NULL AND payment.status <> 'AUTHORIZED'",
    "attempts without an outcome": "SELECT count(*) FROM payment_attempt WHERE finished_at IS NULL",
    "events to process": "SELECT count(*) FROM stripe_event WHERE status = 'RECEIVED'",
    "messages to publish": "SELECT count(*) FROM outbox WHERE published_at IS NULL",
}


def unfinished_work(database: Engine, simulator: Simulator) -> dict[str, int]:
    """How much of what is unfinished; empty when nothing is."""
    counts = {**_rows(database), **_stripe(simulator)}
    return {name: count for name, count in counts.items() if count}


def polled_since(database: Engine, then: datetime) -> bool:
    """Whether the events of every account were listed since then: what no webhook brought is known."""
    try:
        with database.connect() as connection:
            last: datetime | None = connection.execute(text("SELECT min(polled_at) FROM event_poll")).scalar()
    except SQLAlchemyError:
        return False
    return last is not None and last > then


def _rows(database: Engine) -> dict[str, int]:
    try:
        with database.connect() as connection:
            parameters = {"at_rest": sorted(AT_REST)}
            return {
                name: connection.execute(text(query), parameters).scalar_one()
                for name, query in _QUERIES.items()
            }
    except SQLAlchemyError:
        return {"databases unreachable": 1}


def _stripe(simulator: Simulator) -> dict[str, int]:
    clock, webhooks = simulator.get("clock"), simulator.get("webhooks")
    due = clock["next_due_at"]
    return {
        "timers due at Stripe": int(due is not None and due < clock["now"] + _SOON_SECONDS),
        "webhooks undelivered": webhooks["in_flight"] + webhooks["held"] + webhooks["waiting_for_retry"],
    }
