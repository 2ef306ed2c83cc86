"""A connected account that Stripe does not let us read is told about once, and keeps no other from being compared."""

from datetime import timedelta
from uuid import UUID

import pytest

from payment_worker.flows.reconciliation.run import Reconciled, Step, reconcile
from tests.flows.scene import Scene
from tests.harness.rows import Rows

CLOSED, OPEN = "acct_closed", "acct_open"


def _charge(scene: Scene, account: str | None, **arguments: object) -> UUID:
    named = {"stripe_account": account} if account else {}
    return scene.charge(payment_method="pm_card_processing", **named, **arguments)


def _disconnect(scene: Scene) -> None:
    scene.simulator.post("accounts/disconnect", {"account": CLOSED})


def _connect(scene: Scene) -> None:
    scene.simulator.post("accounts/connect", {"account": CLOSED})


def _reconcile(scene: Scene) -> Reconciled:
    done = reconcile(scene.context, since=None, until=None, on_page=lambda _: True)
    assert done is not None
    return done


def _statuses(rows: Rows) -> dict[str, str]:
    return {
        row["stripe_account"]: row["status"] for row in rows("SELECT stripe_account, status FROM payment")
    }


def _findings(rows: Rows) -> list[tuple[str, str]]:
    found = rows("SELECT kind, status FROM reconciliation_finding ORDER BY kind")
    return [(row["kind"], row["status"]) for row in found]


def test_all_other_accounts_are_compared_and_it_is_one_finding_however_many_runs(
    scene: Scene, rows: Rows
) -> None:
    for account in (None, CLOSED, OPEN):
        _charge(scene, account)
    _disconnect(scene)
    scene.advance(60)
    for _ in range(3):
        assert _reconcile(scene).run.is_finished
        scene.advance(3600)
    assert _statuses(rows) == {"": "SUCCEEDED", CLOSED: "PROCESSING", OPEN: "SUCCEEDED"}
    finding = rows.one("SELECT * FROM reconciliation_finding WHERE status = 'OPEN'")
    assert (finding["kind"], finding["object_id"]) == ("account_unreadable", CLOSED)
    assert (finding["stripe_account"], finding["payment_id"]) == (CLOSED, None)
    assert finding["detail"]["theirs"] == "access_denied"


def test_what_it_did_not_show_is_compared_once_it_can_be_read_again(scene: Scene, rows: Rows) -> None:
    _charge(scene, None)
    _charge(scene, CLOSED)
    _disconnect(scene)
    _reconcile(scene)
    scene.advance(3 * 86_400)
    _reconcile(scene)
    _connect(scene)
    scene.advance(3600)

    done = _reconcile(scene)

    assert _statuses(rows) == {"": "SUCCEEDED", CLOSED: "SUCCEEDED"}
    assert ("account_unreadable", "CLOSED") in _findings(rows)
    assert done.run.closed == 1
    asked = scene.simulator.get("requests")["payment_intents.list"]
    _reconcile(scene)
    # Its list is read as everybody's again, and it is not asked for besides.
    assert scene.simulator.get("requests")["payment_intents.list"]["200"] == asked["200"] + 2


def test_what_was_found_on_it_before_stays_open(scene: Scene, rows: Rows) -> None:
    scene.refund(scene.charge(stripe_account=CLOSED), amount=700)
    rows("UPDATE payment SET amount = 6000")
    rows("UPDATE refund SET amount = 800")
    _reconcile(scene)
    before = [("payment_amount_differs", "OPEN"), ("refund_amount_differs", "OPEN")]
    assert _findings(rows) == before
    _disconnect(scene)
    scene.advance(2 * 3600)
    assert _reconcile(scene).run.is_finished
    assert _findings(rows) == [("account_unreadable", "OPEN"), *before]


@pytest.mark.parametrize("step", [Step.OUR_PAYMENTS, Step.OUR_REFUNDS, Step.FINDINGS])
def test_it_may_be_closed_in_the_middle_of_a_run(scene: Scene, rows: Rows, step: Step) -> None:
    scene.refund(scene.charge(stripe_account=CLOSED), amount=700)
    rows("UPDATE payment SET amount = 6000")
    scene.advance(60)
    reconcile(scene.context, since=None, until=None, on_page=lambda run: run.step != step)
    rows("DELETE FROM reconciliation_match")
    _disconnect(scene)
    assert _reconcile(scene).run.is_finished
    assert _findings(rows) == [("account_unreadable", "OPEN"), ("payment_amount_differs", "OPEN")]


def test_a_run_over_a_period_does_not_close_what_only_a_scheduled_one_makes_good(
    scene: Scene, rows: Rows
) -> None:
    _charge(scene, CLOSED)
    _disconnect(scene)
    _reconcile(scene)
    _connect(scene)
    now = scene.clock()
    done = reconcile(scene.context, since=now - timedelta(minutes=1), until=now, on_page=lambda _: True)
    assert done is not None
    assert done.run.is_finished
    assert _findings(rows) == [("account_unreadable", "OPEN")]


@pytest.mark.parametrize(
    ("kind", "account"),
    [
        ("unauthorized", "acct_simulator"),
        ("unauthorized", CLOSED),
        ("unavailable", CLOSED),
        ("rate_limited", CLOSED),
    ],
)
def test_for_any_other_reason_the_run_waits(scene: Scene, rows: Rows, kind: str, account: str) -> None:
    _charge(scene, None)
    _charge(scene, CLOSED)
    scene.simulator.fault(kind, endpoint="refunds.list", account=account)
    waits = _reconcile(scene)
    assert waits.stripe_is_unreachable
    assert waits.run.step == Step.REFUNDS
    assert _findings(rows) == []
    assert _reconcile(scene).run.is_finished
