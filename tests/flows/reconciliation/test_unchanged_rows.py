"""A payment or refund whose news was lost long ago is looked at by scheduled runs, whenever it was made."""

from datetime import timedelta

import pytest

from payment_worker.domain.payment import PAYMENT_TRANSITIONS, PaymentStatus
from payment_worker.domain.refund import REFUND_TRANSITIONS, RefundStatus
from payment_worker.flows.reconciliation.local_records import LOOKS
from payment_worker.flows.reconciliation.run import Reconciled, reconcile
from payment_worker.store.queries import reconciliation
from tests.flows.scene import Scene
from tests.harness.rows import Rows

DAY = 86_400


def _reconcile(scene: Scene) -> Reconciled:
    done = reconcile(scene.context, since=None, until=None, on_page=lambda _: True)
    assert done is not None
    assert done.run.is_finished
    return done


def _intent(rows: Rows) -> str:
    return str(rows.one("SELECT stripe_payment_intent_id AS id FROM payment")["id"])


def _looks(scene: Scene, endpoint: str) -> int:
    return int(scene.simulator.get("requests").get(f"{endpoint}.retrieve", {}).get("200", 0))


def test_all_that_only_an_event_can_end_is_looked_up() -> None:
    payments = {status for status in PaymentStatus if PAYMENT_TRANSITIONS[status]}
    # What was only requested has an attempt, which is looked for; the rest may be left by a request of ours alone.
    assert set(reconciliation.PAYMENTS.still) == payments - {PaymentStatus.REQUESTED, PaymentStatus.FAILED}
    refunds = {status for status in RefundStatus if REFUND_TRANSITIONS[status]}
    assert set(reconciliation.REFUNDS.still) == refunds - {RefundStatus.REQUESTED, RefundStatus.PROCESSED}


@pytest.mark.parametrize(
    ("charge", "status", "then"),
    [
        ({"payment_method": "pm_usBankAccount_processing"}, "PROCESSING", "complete"),
        ({"payment_method": "pm_card_authenticationRequired"}, "REQUIRES_ACTION", "confirm"),
        ({"capture_method": "manual"}, "AUTHORIZED", "capture"),
    ],
)
def test_a_payment_made_days_ago_is_brought_up_to_date(
    scene: Scene, rows: Rows, charge: dict[str, str], status: str, then: str
) -> None:
    scene.charge(**charge)
    assert rows.one("SELECT status FROM payment")["status"] == status
    _reconcile(scene)
    scene.advance(3 * DAY)
    _reconcile(scene)
    if then == "confirm":
        scene.confirm_on_session(_intent(rows), "pm_card_visa")
    else:
        scene.simulator.post(f"payment_intents/{_intent(rows)}/{then}")
    scene.advance(DAY)
    _reconcile(scene)
    assert rows.one("SELECT status FROM payment")["status"] == "SUCCEEDED"
    finding = rows.one("SELECT kind, status FROM reconciliation_finding")
    assert finding == {"kind": "payment_status_differs", "status": "REPAIRED"}


def test_a_refund_made_days_ago_is_brought_up_to_date(scene: Scene, rows: Rows) -> None:
    scene.simulator.post("settings", {"pending_refund_delay_seconds": 5 * DAY})
    scene.refund(scene.charge(payment_method="pm_card_pendingRefund"), amount=700)
    _reconcile(scene)
    scene.advance(6 * DAY)
    _reconcile(scene)
    assert rows.one("SELECT status FROM refund")["status"] == "PROCESSED"


def test_it_is_looked_up_in_each_run_of_a_day_and_then_once_a_day(scene: Scene) -> None:
    scene.charge(capture_method="manual")
    _reconcile(scene)
    scene.advance(3 * 3600)
    _reconcile(scene)
    scene.advance(2 * 3600)
    looks = []
    for _ in range(5 * 12):
        before = _looks(scene, "payment_intents")
        _reconcile(scene)
        looks.append(_looks(scene, "payment_intents") - before)
        scene.advance(2 * 3600)
    first_day, later = looks[:9], looks[11:]
    assert first_day == [1] * 9
    assert 4 <= sum(later) <= 2 * 4


def test_what_changed_a_moment_ago_or_ages_ago_is_not_asked_for(scene: Scene, rows: Rows) -> None:
    scene.charge(capture_method="manual")
    scene.advance(100 * DAY)
    _reconcile(scene)
    scene.advance(DAY)
    _reconcile(scene)
    assert _looks(scene, "payment_intents") == 0
    rows("UPDATE payment SET updated_at = %s", scene.clock().isoformat())
    scene.advance(60)
    _reconcile(scene)
    assert _looks(scene, "payment_intents") == 0


def test_they_are_read_page_by_page_and_a_run_that_was_left_goes_on(scene: Scene) -> None:
    payments = LOOKS + 10
    for _ in range(payments):
        scene.charge(capture_method="manual")
    for days in (2, 2):
        _reconcile(scene)
        scene.advance(days * DAY)
    pages: list[int] = []
    finished = False
    while not finished:
        done = reconcile(scene.context, since=None, until=None, on_page=lambda _: False)
        assert done is not None
        pages.append(_looks(scene, "payment_intents") - sum(pages))
        finished = done.run.is_finished
    assert [looks for looks in pages if looks] == [LOOKS, payments - LOOKS]


def test_a_run_over_a_period_reads_that_period_alone(scene: Scene) -> None:
    scene.charge(capture_method="manual")
    scene.advance(3 * DAY)
    now = scene.clock()
    reconcile(scene.context, since=now - timedelta(days=1), until=now, on_page=lambda _: True)
    assert _looks(scene, "payment_intents") == 0
