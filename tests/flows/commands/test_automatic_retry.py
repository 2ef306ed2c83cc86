"""The worker tries a declined payment again by itself only where it may, the decline allows it, and not too often."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from payment_worker.flows.commands.retry_charge import retry_declined
from payment_worker.flows.context import Context
from payment_worker.flows.maintenance.sweep import FollowUp, claim_follow_ups
from tests.flows.scene import Clock, Scene
from tests.harness.rows import Rows

POOR = "pm_card_visa_chargeDeclinedInsufficientFunds"
HOUR = 3600


@pytest.fixture
def eager(context: Context, scene: Scene, clock: Clock) -> Scene:
    """A scene whose worker tries again by itself, twice: after an hour, and after two more."""
    policy = replace(context.policy.retries, automatic=2, first_delay=timedelta(hours=1))
    return Scene(replace(context, policy=replace(context.policy, retries=policy)), scene.simulator, clock)


def _sweep(scene: Scene) -> int:
    """Do what is due, as often as it is handed out; how much it was."""
    due = claim_follow_ups(scene.context, FollowUp.RETRIES)
    for attempt_id in [*due, *due]:
        retry_declined(scene.context, attempt_id)
    return len(due)


def _retries(rows: Rows, payment_id: UUID) -> int:
    return int(rows.one("SELECT retries FROM payment WHERE payment_id = %s", str(payment_id))["retries"])


def _planned(rows: Rows) -> int:
    return len(rows("SELECT 1 FROM payment_attempt WHERE retry_at IS NOT NULL"))


def test_by_default_it_never_does(scene: Scene, rows: Rows) -> None:
    declined = scene.charge(payment_method=POOR)
    scene.clock.advance(90 * 86_400)
    assert (_sweep(scene), _planned(rows), _retries(rows, declined)) == (0, 0, 0)


def test_it_does_in_time_and_as_often_as_it_may(eager: Scene, rows: Rows) -> None:
    declined = eager.charge(payment_method=POOR)
    for hours in (1, 2):
        eager.clock.advance(hours * HOUR - 10)
        assert _sweep(eager) == 0
        eager.clock.advance(20)
        assert _sweep(eager) == 1
    assert _retries(rows, declined) == 2
    eager.clock.advance(90 * 86_400)
    assert (_sweep(eager), _planned(rows)) == (0, 0)
    (intent,) = eager.simulator.ledger()["payment_intents"]
    assert (intent["attempts"], intent["effects"]) == (3, 0)


@pytest.mark.parametrize("automatic", [0, 1])
def test_what_was_planned_when_more_was_allowed_is_given_up(
    eager: Scene, scene: Scene, rows: Rows, automatic: int
) -> None:
    eager.charge(payment_method=POOR)
    eager.clock.advance(HOUR + 10)
    assert _sweep(eager) == 1
    eager.clock.advance(2 * HOUR + 10)
    policy = eager.context.policy
    fewer = replace(policy, retries=replace(policy.retries, automatic=automatic))
    assert _sweep(replace(scene, context=replace(eager.context, policy=fewer))) == 1
    assert _planned(rows) == 0
    (intent,) = eager.simulator.ledger()["payment_intents"]
    assert intent["attempts"] == 2


@pytest.mark.parametrize(
    "method",
    [
        "pm_card_visa_chargeDeclinedStolenCard",
        "pm_card_chargeDeclinedExpiredCard",
        "pm_card_authenticationRequired",
        "pm_nobody_knows",
        "pm_card_visa",
    ],
)
def test_it_never_does_where_that_is_of_no_use(eager: Scene, rows: Rows, method: str) -> None:
    eager.charge(payment_method=method)
    assert _planned(rows) == 0


def test_a_try_that_was_asked_for_takes_its_place(eager: Scene, rows: Rows) -> None:
    declined = eager.charge(payment_method=POOR)
    eager.retry(declined, payment_method="pm_card_visa")
    assert _planned(rows) == 0
    eager.clock.advance(90 * 86_400)
    assert _sweep(eager) == 0


def test_what_was_paid_or_given_up_meanwhile_is_left_alone(eager: Scene, rows: Rows) -> None:
    paid, given_up = eager.charge(payment_method=POOR), eager.charge(payment_method=POOR)
    query = "SELECT stripe_payment_intent_id AS intent FROM payment WHERE payment_id = %s"
    eager.confirm_on_session(rows.one(query, str(paid))["intent"], "pm_card_visa")
    eager.cancel(given_up)
    eager.clock.advance(2 * HOUR)
    _sweep(eager)
    assert (_planned(rows), _retries(rows, given_up)) == (0, 0)
    eager.deliver(eager.events())
    statuses = rows("SELECT status FROM payment ORDER BY status")
    assert [row["status"] for row in statuses] == ["CANCELED", "SUCCEEDED"]
    effects = sorted(each["effects"] for each in eager.simulator.ledger()["payment_intents"])
    assert effects == [0, 1]
    assert rows("SELECT 1 FROM rejected_request") == []


def test_a_message_about_it_that_was_lost_is_made_good(eager: Scene, rows: Rows) -> None:
    declined = eager.charge(payment_method=POOR)
    eager.clock.advance(HOUR + 1)
    assert len(claim_follow_ups(eager.context, FollowUp.RETRIES)) == 1
    assert list(claim_follow_ups(eager.context, FollowUp.RETRIES)) == []
    eager.clock.advance(61)
    assert _sweep(eager) == 1
    assert _retries(rows, declined) == 1
