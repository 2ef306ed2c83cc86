"""A list that our key may not read is told about once, and keeps nothing else from being compared."""

from datetime import timedelta

import pytest

from payment_worker.domain.findings.kinds import StripeList
from payment_worker.flows.reconciliation.run import Reconciled, reconcile
from payment_worker.store.reconciliation.reconciliation_runs import Run
from tests.flows.scene import Scene
from tests.harness.rows import Rows

OUR_OWN, CONNECTED = "acct_simulator", "acct_connected"


def _forbid(scene: Scene, of: StripeList, *, account: str | None = OUR_OWN) -> list[str]:
    """As to a restricted key: neither the list nor its objects may be read; None is on any account."""
    return [
        scene.simulator.fault("forbidden", endpoint=f"{of}.{read}", account=account, times=None)
        for read in ("list", "retrieve")
    ]


def _allow(scene: Scene, faults: list[str]) -> None:
    for each in faults:
        scene.simulator.delete(f"faults/{each}")


def _reconcile(scene: Scene) -> Reconciled:
    done = reconcile(scene.context, since=None, until=None, on_page=lambda _: True)
    assert done is not None
    return done


def _findings(rows: Rows) -> list[tuple[str, str, str]]:
    found = rows("SELECT kind, object_id, status FROM reconciliation_finding ORDER BY kind, object_id")
    return [(row["kind"], row["object_id"], row["status"]) for row in found]


@pytest.mark.parametrize("closed", StripeList)
def test_all_else_is_compared_and_it_is_one_finding_however_many_runs(
    scene: Scene, rows: Rows, closed: StripeList
) -> None:
    scene.refund(scene.charge(), amount=700)
    scene.charge(payment_method="pm_card_createDispute")
    scene.charge(payment_method="pm_card_processing", stripe_account=CONNECTED)
    scene.advance(60)
    _forbid(scene, closed)
    for _ in range(3):
        assert _reconcile(scene).run.is_finished
        scene.advance(3600)
    finding = rows.one("SELECT * FROM reconciliation_finding WHERE status = 'OPEN'")
    assert (finding["kind"], finding["object_id"]) == ("list_unreadable", closed)
    assert (finding["stripe_account"], finding["payment_id"]) == ("", None)
    assert finding["detail"]["theirs"] == "access_denied"
    connected = rows.one("SELECT status FROM payment WHERE stripe_account <> ''")
    assert connected["status"] == "SUCCEEDED"
    assert (rows("SELECT 1 FROM dispute") == []) == (closed is StripeList.DISPUTES)


def test_what_it_did_not_show_is_compared_once_it_can_be_read_again(scene: Scene, rows: Rows) -> None:
    scene.charge(payment_method="pm_card_createDispute")
    scene.advance(60)
    faults = _forbid(scene, StripeList.DISPUTES)
    _reconcile(scene)
    scene.advance(3 * 86_400)
    _reconcile(scene)
    _allow(scene, faults)
    scene.advance(3600)

    assert _reconcile(scene).run.closed == 1

    assert rows.one("SELECT status FROM dispute")["status"] == "NEEDS_RESPONSE"
    assert [(kind, status) for kind, _, status in _findings(rows)] == [
        ("dispute_not_recorded", "REPAIRED"),
        ("list_unreadable", "CLOSED"),
    ]


def test_the_run_that_missed_it_does_not_close_it_whoever_ends_that(scene: Scene, rows: Rows) -> None:
    scene.charge()
    faults = _forbid(scene, StripeList.REFUNDS)

    def until_it_is_missed(_: Run) -> bool:
        return not rows("SELECT 1 FROM reconciliation_finding")

    begun = reconcile(scene.context, since=None, until=None, on_page=until_it_is_missed)
    assert begun is not None
    assert not begun.run.is_finished
    _allow(scene, faults)
    for status in ("OPEN", "CLOSED"):
        assert _reconcile(scene).run.is_finished
        assert _findings(rows) == [("list_unreadable", "refunds", status)]
        scene.advance(3600)


def test_a_connected_account_is_not_closed_for_one_list_of_it(scene: Scene, rows: Rows) -> None:
    scene.charge(payment_method="pm_card_createDispute", stripe_account=CONNECTED)
    scene.advance(60)
    faults = _forbid(scene, StripeList.DISPUTES, account=None)
    for _ in range(2):
        assert _reconcile(scene).run.is_finished
        scene.advance(3 * 86_400)
    assert _findings(rows) == [
        ("list_unreadable", "disputes", "OPEN"),
        ("list_unreadable", f"disputes of {CONNECTED}", "OPEN"),
    ]

    _allow(scene, faults)
    assert _reconcile(scene).run.closed == 2
    assert rows.one("SELECT is_disputed FROM payment")["is_disputed"]


def test_only_a_scheduled_run_closes_it(scene: Scene, rows: Rows) -> None:
    scene.charge()
    faults = _forbid(scene, StripeList.DISPUTES)
    _reconcile(scene)
    _allow(scene, faults)
    now = scene.clock()
    done = reconcile(scene.context, since=now - timedelta(minutes=1), until=now, on_page=lambda _: True)
    assert done is not None
    assert done.run.is_finished
    assert _findings(rows) == [("list_unreadable", "disputes", "OPEN")]


def test_what_was_found_of_its_objects_before_stays_open(scene: Scene, rows: Rows) -> None:
    scene.refund(scene.charge(), amount=700)
    rows("UPDATE refund SET amount = 800")
    _reconcile(scene)
    _forbid(scene, StripeList.REFUNDS)
    scene.advance(2 * 3600)
    assert _reconcile(scene).run.is_finished
    assert [(kind, status) for kind, _, status in _findings(rows)] == [
        ("list_unreadable", "OPEN"),
        ("refund_amount_differs", "OPEN"),
    ]


def test_its_objects_are_not_asked_for_one_by_one(scene: Scene, rows: Rows) -> None:
    for _ in range(3):
        scene.refund(scene.charge(), amount=700)
    scene.advance(60)
    _forbid(scene, StripeList.REFUNDS)
    before = scene.simulator.get("requests").get("refunds.retrieve", {})
    _reconcile(scene)
    assert scene.simulator.get("requests").get("refunds.retrieve", {}) == before
    assert [status for _, _, status in _findings(rows)] == ["OPEN"]
