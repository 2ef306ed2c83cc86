"""A message about due work is good however late it is read: a queue longer than a lease holds nothing up for ever."""

from dataclasses import asdict, replace

from payment_worker.domain.payment import PaymentStatus
from payment_worker.flows.attempts.execute import run_claimed
from payment_worker.flows.events.inbox import claim_new, process_claimed, receive
from payment_worker.flows.maintenance.sweep import DueWork, claim_due
from payment_worker.store.events.inbox import EventStatus
from tests.flows.limits import ALL_DUE
from tests.flows.scene import Scene

LONGER_THAN_A_LEASE = 61


def swept(scene: Scene) -> DueWork:
    """What a sweep hands out once everybody's lease has ended."""
    scene.clock.advance(LONGER_THAN_A_LEASE)
    return claim_due(scene.context, ALL_DUE)


def test_the_first_of_several_messages_about_an_event_processes_it(scene: Scene) -> None:
    scene.charge()
    for event in scene.events(types=["payment_intent.succeeded"]):
        receive(scene.context, event, source="webhook")
    assert claim_new(scene.context)
    messages = [message for _ in range(3) for message in swept(scene).events]
    done = [process_claimed(scene.context, **asdict(each)) for each in messages]
    assert done == [EventStatus.PROCESSED, None, None]


def test_the_first_of_several_messages_about_an_attempt_finishes_it(scene: Scene) -> None:
    scene.simulator.fault("unavailable", endpoint="payment_intents.create", times=1)
    scene.charge()
    messages = [message for _ in range(3) for message in swept(scene).attempts]
    answers = [
        run_claimed(scene.context, message.attempt_id, lease_token=message.lease_token)
        for message in messages
    ]
    assert [answer and answer.status for answer in answers] == [PaymentStatus.SUCCEEDED, None, None]


def test_messages_about_an_event_that_was_put_off_are_void(scene: Scene) -> None:
    scene.charge()
    (event,) = scene.events(types=["payment_intent.succeeded"])
    receive(scene.context, replace(event, api_version="old"), source="webhook")
    assert claim_new(scene.context)
    (message,) = swept(scene).events
    scene.simulator.fault("unavailable", method="GET", times=None)
    process_claimed(scene.context, **asdict(message))
    assert process_claimed(scene.context, **asdict(message)) is None
