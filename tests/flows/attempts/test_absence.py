"""What Stripe does not show is not made again while our own record knows better, and nothing half made stays so."""

from uuid import UUID

import pytest

from payment_worker.domain.attempts.attempt import Attempt
from payment_worker.domain.attempts.outcome import Absent
from payment_worker.flows.attempts.execute import run_claimed
from payment_worker.flows.attempts.lifecycle import Continue
from payment_worker.flows.attempts.record_outcome import record
from payment_worker.flows.context import Context
from payment_worker.flows.maintenance.sweep import claim_due
from payment_worker.store.records import attempts
from tests.flows.limits import ALL_DUE
from tests.flows.scene import Scene
from tests.harness.rows import Rows

PAYMENT = """
SELECT payment.status, number, payment_attempt.status AS attempt, unknown_reason, error_code, stripe_payment_intent_id
FROM payment JOIN payment_attempt USING (payment_id) ORDER BY number
"""
FINDINGS = "SELECT kind, status FROM reconciliation_finding"


def test_a_payment_that_was_shown_before_is_never_believed_absent(scene: Scene, rows: Rows) -> None:
    scene.charge_unanswered()
    scene.deliver(scene.events(types=["payment_intent.succeeded"]))
    # As with the key of another account, which somebody deployed by mistake: Stripe knows nothing of it.
    scene.simulator.reset()
    with pytest.raises(AssertionError, match="attempts wait for ever"):
        scene.resume()
    (row,) = rows(PAYMENT)
    assert (row["status"], row["attempt"]) == ("SUCCEEDED", "UNKNOWN")
    assert row["unknown_reason"] == "contradicts_record"
    assert scene.simulator.ledger()["payment_intents"] == []
    assert rows(FINDINGS) == [{"kind": "payment_missing_there", "status": "OPEN"}]


def test_a_refund_that_was_shown_before_is_never_believed_absent(
    scene: Scene, context: Context, rows: Rows
) -> None:
    payment_id = scene.charge()
    scene.simulator.fault("server_error", when="after", endpoint="refunds.create")
    asking = scene.simulator.fault("unavailable", endpoint="refunds.list", times=None)
    scene.refund(payment_id, amount=100)
    scene.simulator.delete(f"faults/{asking}")
    scene.deliver(scene.events(types=["refund.created"]))
    assert rows.one("SELECT stripe_refund_id FROM refund")["stripe_refund_id"]
    record(context, _claimed(scene, context), Absent(), call_began_at=context.clock())
    assert rows.one("SELECT status, unknown_reason FROM payment_attempt WHERE action = 'refund'") == {
        "status": "UNKNOWN",
        "unknown_reason": "contradicts_record",
    }
    assert rows(FINDINGS) == [{"kind": "refund_missing_there", "status": "OPEN"}]


def _claimed(scene: Scene, context: Context) -> Attempt:
    """The one attempt that is due, with nothing of it on its way any more."""
    scene.advance(1000)
    (due,) = claim_due(context, ALL_DUE).attempts
    context.stripe.payment_intent("pi_none", account="")  # whoever looked has heard Stripe's time
    with context.database.begin() as connection:
        locked = attempts.lock_unfinished(connection, due.attempt_id)
    assert locked is not None
    return locked[1]


def test_a_change_between_lookup_and_record_is_looked_up_again(
    scene: Scene, context: Context, rows: Rows
) -> None:
    scene.charge_unanswered()
    attempt = _claimed(scene, context)
    scene.deliver(scene.events(types=["payment_intent.succeeded"]))
    noted = record(context, attempt, Absent(), call_began_at=context.clock())
    assert isinstance(noted, Continue)
    assert noted.payment.version > attempt.as_of_version
    assert run_claimed(context, attempt.attempt_id, lease_token=attempt.lease_token) is not None
    (row,) = rows(PAYMENT)
    assert (row["status"], row["attempt"]) == ("SUCCEEDED", "EXECUTED")
    assert len(scene.simulator.ledger()["payment_intents"]) == 1


def _half_made(scene: Scene) -> UUID:
    payment_id = scene.charge_unanswered(when="before")
    scene.as_by_attempt(payment_id, {"amount": "5000", "currency": "eur"})
    return payment_id


def test_a_payment_that_stripe_made_and_never_confirmed_fails_in_the_end(scene: Scene, rows: Rows) -> None:
    _half_made(scene)
    scene.resume()
    (row,) = rows(PAYMENT)
    (intent,) = scene.simulator.ledger()["payment_intents"]
    assert (row["status"], row["attempt"]) == ("FAILED", "ABSENT")
    assert row["stripe_payment_intent_id"] == intent["id"]
    assert intent["captured"] == 0


def test_it_can_be_tried_again_and_confirms_the_same_one(scene: Scene, rows: Rows) -> None:
    payment_id = _half_made(scene)
    scene.resume()
    assert scene.retry(payment_id, payment_method="pm_card_visa").status == "SUCCEEDED"
    (intent,) = scene.simulator.ledger()["payment_intents"]
    assert intent["captured"] == 5000
    assert rows.one("SELECT status FROM payment")["status"] == "SUCCEEDED"


def test_it_can_be_canceled(scene: Scene, rows: Rows) -> None:
    payment_id = _half_made(scene)
    scene.resume()
    assert scene.cancel(payment_id).status == "CANCELED"
    assert rows.one("SELECT status FROM payment")["status"] == "CANCELED"
