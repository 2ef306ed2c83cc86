"""In whatever order events and imports come, how often, and wherever they are cut short, the journal ends the same."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payment_worker.gateway.webhook import Event
from tests.flows.events.test_any_order import (
    EMPTY,
    ORDER,
    REQUESTED,
    UNANSWERED,
    key_of,
    life,  # noqa: F401 - a fixture
    payment_id,  # noqa: F401 - a fixture
)
from tests.flows.ledger.test_import import imported
from tests.flows.scene import Scene
from tests.harness.length import examples
from tests.harness.rows import Rows

EMPTY_LEDGER = """
SET session_replication_role = replica;
DELETE FROM ledger_posting; DELETE FROM ledger_entry; DELETE FROM ledger_uncleared;
DELETE FROM ledger_balance; DELETE FROM ledger_daily_balance;
DELETE FROM ledger_progress; DELETE FROM balance_import; DELETE FROM balance_transaction; DELETE FROM balance_proof;
DELETE FROM payout;
SET session_replication_role = origin;
"""

# A dispute that is imported before its payment is known as ours is moved later: what it comes to is the same.
POSTED = """
SELECT replace(kind, 'reclassification', 'balance_transaction'), split_part(reference, ' ', 1), ledger_account,
    currency, sum(amount), object_id
FROM ledger_posting JOIN ledger_entry USING (entry_id) WHERE kind <> 'record'
GROUP BY 1, 2, 3, 4, 6 HAVING sum(amount) <> 0 ORDER BY 1, 2, 3, 4, 5
"""

RECORDS = """
SELECT object_id, sum(amount) FROM ledger_posting JOIN ledger_entry USING (entry_id)
WHERE kind = 'record' AND object_id IS NOT NULL GROUP BY 1 HAVING sum(amount) <> 0 ORDER BY 1
"""

ENDS = (
    POSTED,
    # Which steps our record takes is told by the order of events; what they come to is not.
    RECORDS,
    "SELECT ledger_account, currency, amount FROM ledger_balance WHERE amount <> 0 ORDER BY 1, 2",
    """SELECT ledger_account, currency, sum(debits - credits) AS amount FROM ledger_daily_balance
    GROUP BY 1, 2 HAVING sum(debits - credits) <> 0 ORDER BY 1, 2""",
    "SELECT object_id FROM ledger_uncleared",
    "SELECT kind, object_id FROM reconciliation_finding",
    "SELECT currency, available + pending + reserved - ledger FROM balance_proof WHERE ledger <> 0 ORDER BY 1",
)

UNBALANCED = "SELECT currency FROM ledger_posting GROUP BY 1 HAVING sum(amount) <> 0"

IMPORT, CUT = "import", "an import that is cut short"

Step = Event | str


@pytest.fixture
def events(scene: Scene, request: pytest.FixtureRequest) -> list[Event]:
    """Everything that happens to a payment in euros that are kept as dollars, and a payout that comes back."""
    scene.simulator.post("exchange", {"currency": "eur", "settles_in": "usd", "rate": 1.1})
    scene.simulator.post("settings", {"balance_available_delay_seconds": 0})
    told: list[Event] = request.getfixturevalue("life")
    (payout,) = scene.simulator.post("payouts")["payouts"]
    scene.simulator.post(f"payouts/{payout['id']}/fail")
    for _ in range(101):  # a second page
        scene.simulator.post("balance_transactions", {"type": "topup", "amount": 1, "currency": "usd"})
    return told


def end_of(scene: Scene, rows: Rows, payment_id: UUID, steps: list[Step]) -> list[Any]:  # noqa: F811 - its value
    """The journal once these have come, in this order, and then all the rest."""
    rows(EMPTY)
    rows(EMPTY_LEDGER)
    rows(REQUESTED, str(payment_id), str(ORDER))
    rows(UNANSWERED, str(payment_id), key_of(payment_id))
    for step in steps:
        if isinstance(step, Event):
            scene.deliver([step])
        else:
            imported(scene, has_time=lambda: step == IMPORT)  # noqa: B023 - called at once
        assert rows(UNBALANCED) == []
    scene.process_waiting()
    imported(scene)
    return [[tuple(row.values()) for row in rows(query)] for query in ENDS]


@pytest.mark.timeout(600)
def test_any_order_of_events_and_imports_ends_in_the_same_journal(
    scene: Scene,
    rows: Rows,
    payment_id: UUID,  # noqa: F811 - the fixture
    events: list[Event],
) -> None:
    expected = end_of(scene, rows, payment_id, [*events, IMPORT])
    posted, records, balances, days, uncleared, findings, proofs = expected
    assert days == balances
    assert (len(posted) > 200, len(records)) == (True, 3)
    assert {account for account, *_ in balances} >= {
        "stripe_balance",
        "sales",
        "refunds",
        "fees",
        "currency_exchange",
    }
    assert (uncleared, findings) == ([], [])
    assert [difference for _, difference in proofs] == [0]

    @settings(
        max_examples=examples(3, long=100),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(
        steps=st.permutations([*events, IMPORT, IMPORT, CUT, CUT]),
        repeated=st.lists(st.sampled_from([*events, IMPORT, CUT]), max_size=4),
    )
    def ends_the_same(steps: list[Step], repeated: list[Step]) -> None:
        assert end_of(scene, rows, payment_id, [*steps, *repeated]) == expected

    ends_the_same()
