"""No statement about one row gets slower with what waits, whatever PostgreSQL believes of how much that is.

The statistics are those of a large database in which nothing waited. Then a backlog came, and nobody ran ANALYZE.
"""

import json
from dataclasses import asdict
from typing import Any

import pytest
from sqlalchemy import event

from payment_worker.flows.attempts.execute import run_claimed
from payment_worker.flows.context import Context
from payment_worker.flows.events.inbox import claim_new, process_claimed, process_together
from payment_worker.flows.maintenance.sweep import SweepLimits, claim_due
from tests.flows.conftest import clock, context, scene
from tests.flows.scene import Scene
from tests.harness.rows import Rows
from tests.store.backlog import NEW_EVENTS, OVER, WAITING, fill

__all__ = ["clock", "context", "scene"]

MOST_BUFFERS = 60
"""A few rows of a few tables by three-level indexes, with the indexes of what is written; a walk takes thousands."""

MOST_BUFFERS_PER_CLAIMED = 100
"""Ten refunds and their payments are looked at for each that is claimed."""

Plan = dict[str, Any]


@pytest.fixture
def plans(context: Context) -> list[Plan]:
    """The plan, as executed, of every statement that the product executes from now on."""
    found: list[Plan] = []

    def explain(connection: Any, _: object) -> None:  # noqa: ANN401 - psycopg2's
        with connection.cursor() as cursor:
            cursor.execute("LOAD 'auto_explain'")
            for name, value in {
                "log_min_duration": "0",
                "log_analyze": "on",
                "log_buffers": "on",
                "log_format": "json",
                "log_level": "notice",
            }.items():
                cursor.execute(f"SET auto_explain.{name} = {value}")
        connection.commit()

    def read(connection: Any, *_: object) -> None:  # noqa: ANN401 - SQLAlchemy's
        notices = connection.connection.notices
        found.extend(json.loads(each[each.index("{") :]) for each in notices if "plan:" in each)
        notices.clear()

    event.listen(context.database.engine, "connect", explain)
    event.listen(context.database.engine, "after_cursor_execute", read)
    return found


@pytest.mark.long
def test_no_statement_reads_more_with_a_backlog(scene: Scene, rows: Rows, plans: list[Plan]) -> None:
    fill(rows)
    _live(scene)
    plans.clear()  # the first of each found no room in its tables' last pages

    _live(scene)
    rows(NEW_EVENTS, OVER + WAITING + 1, OVER + 2 * WAITING)
    assert not process_together(scene.context, claim_new(scene.context))

    assert len({plan["Query Text"] for plan in plans}) > 30, "few statements were seen"
    greedy = {plan["Query Text"]: buffers for plan in plans if (buffers := _buffers(plan)) > _most(plan)}
    assert not greedy, "\n".join(f"{buffers}: {query[:600]}" for query, buffers in greedy.items())


def _buffers(plan: Plan) -> int:
    return int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])


def _most(plan: Plan) -> int:
    is_of_many = "SKIP LOCKED" in plan["Query Text"] or "unnest(" in plan["Query Text"]
    rows = plan["Plan"]["Actual Rows"] or plan["Plan"].get("Plans", [{}])[0].get("Actual Rows", 0)
    return MOST_BUFFERS + is_of_many * MOST_BUFFERS_PER_CLAIMED * int(rows)


def _live(scene: Scene) -> None:
    """Something of everything that happens to payments, and one sweep, which claims little of the backlog."""
    charged = scene.charge()
    scene.refund(charged, amount=100)
    scene.charge(payment_method="pm_card_chargeDeclined")
    scene.charge(payment_method="pm_card_createDispute")
    unknown = scene.charge_unanswered()
    held = scene.charge(capture_method="manual")
    scene.capture(held)
    scene.cancel(scene.charge(capture_method="manual"))
    declined = scene.charge(payment_method="pm_card_visa_chargeDeclined")
    scene.retry(declined, payment_method="pm_card_visa")
    assert unknown != held
    scene.deliver(scene.events())
    scene.deliver(scene.events())
    due = claim_due(scene.context, SweepLimits(attempts=3, events=3, waiting_refunds=3))
    assert due.attempts
    assert due.events
    assert due.waiting_refunds is not None
    for attempt in due.attempts:
        run_claimed(scene.context, attempt.attempt_id, lease_token=attempt.lease_token)
    for each in due.events:
        process_claimed(scene.context, **asdict(each))
