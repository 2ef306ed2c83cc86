"""A payment on a second Stripe account is made there alone and once, whatever goes wrong in the middle."""

from collections.abc import Callable

import pytest

from tests.acceptance.scene import TROUBLES, Json, Scene

EU = "acct_1EuropeanAccount"


@pytest.fixture(scope="module")
def scene(new_scene: Callable[..., Scene]) -> Scene:
    """A worker with the keys of two accounts, and an app that hands on what the endpoint of each is sent."""
    made = new_scene(
        STRIPE_API_KEYS="eu=sk_test_51EuropeanAccountKey",
        STRIPE_WEBHOOK_SECRET="whsec_simulator,eu=whsec_eu",
    )
    made.hand_on_webhooks(account="acct_simulator")
    made.hand_on_webhooks(secret="whsec_eu", account=EU)
    return made.ready(made.worker(), made.beat())


def _asked(scene: Scene, account: str) -> set[str]:
    return {each["endpoint"] for each in scene.simulator.journal() if each["account"] == account}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_it_is_charged_and_refunded_there_once(scene: Scene, trouble: str) -> None:
    metadata = {"trouble": trouble}
    if TROUBLES[trouble]:
        scene.simulator.fault(
            endpoint="payment_intents.create", metadata=metadata, account=EU, **TROUBLES[trouble]
        )
    payment_id = scene.charge(account="eu", metadata=metadata, copies=2)
    assert scene.payment(payment_id, "SUCCEEDED")["stripe_account"] == "eu"
    scene.refund_row(scene.refund(payment_id, copies=3, amount=100), "PROCESSED")
    (intent,) = scene.simulator.ledger(**{"metadata[payment_id]": payment_id})["payment_intents"]
    assert (intent["account"], intent["effects"], intent["refunded"]) == (EU, 1, 100)


def test_what_its_endpoint_is_told_ends_it(scene: Scene) -> None:
    payment_ids = [
        scene.charge(account=name, payment_method="pm_card_processing", copies=2) for name in ("eu", None)
    ]
    for payment_id in payment_ids:
        scene.payment(payment_id, "PROCESSING")
    scene.simulator.advance(60)
    for payment_id in payment_ids:
        scene.payment(payment_id, "SUCCEEDED")
    told = "SELECT 1 FROM stripe_event WHERE type = 'payment_intent.succeeded' AND stripe_account = %s"
    for account in ("", "eu"):
        scene.rows.wait_for(told, account)


def test_a_killed_workers_charge_is_finished_there(scene: Scene) -> None:
    scene.kill_processes()
    scene.ready(worker := scene.worker())
    metadata = {"trouble": "death"}
    scene.simulator.fault(
        "hang", when="after", endpoint="payment_intents.create", metadata=metadata, account=EU
    )
    payment_id = scene.charge(account="eu", metadata=metadata)
    scene.wait_for_post(payment_id)
    worker.kill()
    scene.ready(scene.worker(), scene.beat())
    scene.payment(payment_id, "SUCCEEDED", seconds=40)
    (intent,) = scene.simulator.ledger(**{"metadata[payment_id]": payment_id})["payment_intents"]
    assert (intent["account"], intent["effects"]) == (EU, 1)


@pytest.mark.parametrize("task", ["charge", "adopt"])
def test_a_request_on_an_account_that_nobody_knows_is_kept_and_answered(scene: Scene, task: str) -> None:
    payment_id = "8d5a6ab2-6dbb-4a1c-8b0b-6a0f0d8f0c5f"
    asked: Json = {"payment_id": payment_id, "order_id": "1", "account": "jp"}
    further = (
        {"payment_intent": "pi_1"}
        if task == "adopt"
        else {"amount": 100, "currency": "EUR", "payment_method": "pm_card_visa"}
    )
    message = scene.producer.send(f"payment_worker.{task}", "charges", {**asked, **further})
    scene.rows.wait_for("SELECT 1 FROM rejected_request WHERE request_id = %s", message)
    kept = scene.rows.one("SELECT errors FROM rejected_request WHERE request_id = %s", message)
    assert kept["errors"] == [
        {"field": "account", "code": "unknown", "message": "is no account of STRIPE_API_KEYS"}
    ]
    assert scene.rows("SELECT 1 FROM payment WHERE payment_id = %s", payment_id) == []


def test_the_amounts_agree_on_both_accounts(scene: Scene) -> None:
    scene.close_books()
    scene.books.must_agree()
    proofs = "SELECT stripe_account, bool_and(available + pending + reserved = ledger) AS agrees FROM balance_proof"
    assert scene.rows(f"{proofs} GROUP BY stripe_account ORDER BY stripe_account") == [
        {"stripe_account": "", "agrees": True},
        {"stripe_account": "eu", "agrees": True},
    ]
    assert _asked(scene, EU) == {"payment_intents.create", "refunds.create"}
