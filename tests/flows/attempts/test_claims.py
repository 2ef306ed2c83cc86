"""An attempt that was never sent is claimed with one statement, by whoever has its token first."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from payment_worker.domain.attempts.attempt import Action
from payment_worker.flows import pauses
from payment_worker.flows.attempts.execute import run_claimed
from payment_worker.flows.maintenance.sweep import claim_due
from payment_worker.store.records.attempts import DueAttempt
from tests.flows.attempts.test_time_budget import counting
from tests.flows.limits import ALL_DUE
from tests.flows.one_payment import DiedError, DyingDatabase
from tests.flows.scene import Scene
from tests.harness.rows import Rows

ATTEMPT = (
    "SELECT status, unknown_reason, lease_token, never_sent FROM payment_attempt ORDER BY attempt_id DESC"
)


@pytest.fixture
def unsent(scene: Scene) -> DueAttempt:
    """A charge that nobody could send until now."""
    scene.charge(not_before=(scene.clock() + timedelta(seconds=60)).isoformat())
    scene.advance(61)
    (due,) = claim_due(scene.context, ALL_DUE).attempts
    return due


def _posts(scene: Scene) -> int:
    """How many objects of ours Stripe was asked to create."""
    requests = scene.simulator.get("requests")
    return sum(sum(requests.get(name, {}).values()) for name in ("payment_intents.create", "refunds.create"))


def test_it_costs_two_statements_to_send_and_record_it(scene: Scene, rows: Rows, unsent: DueAttempt) -> None:
    scene.charge()  # what is only done once in a process is not counted
    with counting() as spent:
        assert run_claimed(scene.context, unsent.attempt_id, lease_token=unsent.lease_token)
    assert (len(spent.statements), spent.commits) == (2, 0), spent.statements
    assert {each["status"] for each in rows("SELECT status FROM payment")} == {"SUCCEEDED"}


def test_a_message_from_before_it_was_put_off_claims_nothing(
    scene: Scene, rows: Rows, unsent: DueAttempt
) -> None:
    late = replace(scene.context, pauses=_ended_pause(scene, Action.CHARGE))
    assert run_claimed(late, unsent.attempt_id, lease_token=unsent.lease_token)
    attempt = rows.one(ATTEMPT)
    assert attempt["never_sent"]
    assert run_claimed(scene.context, unsent.attempt_id, lease_token=unsent.lease_token) is None
    assert (_posts(scene), rows.one(ATTEMPT)) == (0, attempt)


def test_a_claim_notes_that_it_may_be_sent(
    scene: Scene, rows: Rows, unsent: DueAttempt, database_url: str
) -> None:
    scene.advance(100)
    claimed_at = scene.clock()
    before = _die_after_claim(scene, rows, unsent, database_url)
    after = rows.one("SELECT * FROM payment_attempt")
    assert (before["never_sent"], after["never_sent"]) == (True, False)
    assert after["lease_token"] == before["lease_token"] + 1
    # Its key has an age from now on, not from when it was requested.
    assert after["first_sent_at"] >= claimed_at
    assert after["next_action_at"] == after["sent_until"] > claimed_at


def test_what_may_have_been_sent_keeps_the_age_of_its_key(
    scene: Scene, rows: Rows, database_url: str
) -> None:
    scene.context.metadata_secrets.load(scene.context.database)
    with closing(DyingDatabase(database_url)) as database:
        database.now()
        database.dies_before = 1
        with pytest.raises(DiedError):
            replace(scene, context=replace(scene.context, database=database)).charge()
    scene.advance(100)
    (due,) = claim_due(scene.context, ALL_DUE).attempts
    before = _die_after_claim(scene, rows, due, database_url, transactions=2)
    assert rows.one("SELECT * FROM payment_attempt")["first_sent_at"] == before["first_sent_at"]


def _die_after_claim(
    scene: Scene, rows: Rows, due: DueAttempt, database_url: str, *, transactions: int = 1
) -> Mapping[str, Any]:
    """Claim it and die before anything is recorded. Returns the attempt's row before."""
    before = rows.one("SELECT * FROM payment_attempt")
    with closing(DyingDatabase(database_url)) as database:
        database.now()
        database.dies_before = transactions
        with pytest.raises(DiedError):
            run_claimed(
                replace(scene.context, database=database), due.attempt_id, lease_token=due.lease_token
            )
    return before


def test_a_charge_that_stripe_has_shown_is_looked_up(scene: Scene, rows: Rows, unsent: DueAttempt) -> None:
    rows("UPDATE payment SET stripe_payment_intent_id = 'pi_shown', version = version + 1")
    run_claimed(scene.context, unsent.attempt_id, lease_token=unsent.lease_token)
    assert _posts(scene) == 0
    assert rows.one(ATTEMPT)["unknown_reason"] is not None


def test_a_refund_that_stripe_has_shown_is_looked_up(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge()
    late = replace(scene, context=replace(scene.context, pauses=_ended_pause(scene, Action.REFUND)))
    late.refund(payment_id)
    scene.advance(1000)
    (due,) = claim_due(scene.context, ALL_DUE).attempts
    posts = _posts(scene)
    rows("UPDATE refund SET stripe_refund_id = 're_shown', version = version + 1")
    run_claimed(scene.context, due.attempt_id, lease_token=due.lease_token)
    assert _posts(scene) == posts
    assert rows.one(f"{ATTEMPT} LIMIT 1")["unknown_reason"] is not None


def _ended_pause(scene: Scene, action: Action) -> pauses.Pauses:
    """What a process knows that has not read yet that they are paused no more."""
    database, now = scene.context.database, scene.clock()
    pauses.pause(database, action, reason="a test", actor="test", now=now)
    read = pauses.Pauses(database, seconds=lambda: 0.0)
    assert read.hold(action)
    pauses.resume(database, [action], actor="test", now=now)
    return read
