"""Customers who are wanted, connected accounts, the worker's own tries and the end of retention, amid trouble."""

from collections.abc import Callable

import pytest

from payment_worker.devstack.waiting import wait_until
from tests.acceptance.scene import FORGETFUL, TROUBLES, Scene

THREE_D_SECURE = "pm_card_authenticationRequired"
POOR = "pm_card_visa_chargeDeclinedInsufficientFunds"


@pytest.fixture(scope="module")
def scene(new_scene: Callable[..., Scene]) -> Scene:
    """A worker that tries again by itself, once, after a second; an app that hands webhooks on."""
    made = new_scene(PAYMENT_WORKER_AUTOMATIC_RETRIES="1", PAYMENT_WORKER_AUTOMATIC_RETRY_AFTER="1")
    made.hand_on_webhooks()
    return made.ready(made.worker(), made.beat())


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_required_action_is_published_once_and_ends_when_stripe_says_so(scene: Scene, trouble: str) -> None:
    payment_id = _charge(scene, trouble, payment_method=THREE_D_SECURE)
    waiting = scene.payment(payment_id, "REQUIRES_ACTION")
    intent = waiting["stripe_payment_intent_id"]
    key = f"{payment_id} in their browser"
    for _ in range(2):
        parameters = {"payment_method": THREE_D_SECURE, "return_url": "https://shop.example/done"}
        scene.post_to_stripe(f"payment_intents/{intent}/confirm", key=key, **parameters)
    scene.simulator.post(f"payment_intents/{intent}/complete")
    scene.payment(payment_id, "SUCCEEDED")
    assert scene.history(payment_id) == ["REQUESTED", "REQUIRES_ACTION", "SUCCEEDED"]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_connected_accounts_payment_lives_there_alone(scene: Scene, trouble: str) -> None:
    account = f"acct_{sorted(TROUBLES).index(trouble)}"
    payment_id = _charge(scene, trouble, stripe_account=account, account=account)
    scene.payment(payment_id, "SUCCEEDED")
    scene.refund_row(scene.refund(payment_id, copies=3, amount=100), "PROCESSED")
    (theirs,) = scene.simulator.ledger(account=account)["payment_intents"]
    assert (theirs["effects"], theirs["refunded"]) == (1, 100)
    asked = [each for each in scene.simulator.journal() if each["account"] == account]
    assert {each["endpoint"] for each in asked} == {"payment_intents.create", "refunds.create"}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_worker_tries_again_by_itself_as_often_as_it_may(scene: Scene, trouble: str) -> None:
    metadata = {"trouble": trouble}
    if TROUBLES[trouble]:
        scene.simulator.fault(endpoint="payment_intents.confirm", metadata=metadata, **TROUBLES[trouble])
    payment_id = scene.charge(payment_method=POOR, metadata=metadata, copies=2)
    query = "SELECT 1 FROM payment WHERE payment_id = %s AND status = 'FAILED' AND retries = 1"
    scene.rows.wait_for(query, payment_id, seconds=40)
    # An event may have told of it before its own answer is in.
    due = "SELECT 1 FROM payment_attempt WHERE payment_id = %s AND (retry_at IS NOT NULL OR finished_at IS NULL)"
    wait_until(lambda: not scene.rows(due, payment_id), seconds=20, what="an end of all tries")
    assert scene.history(payment_id) == ["REQUESTED", "FAILED"] * 2
    (intent,) = scene.simulator.ledger(**{"metadata[payment_id]": payment_id})["payment_intents"]
    assert (intent["attempts"], intent["effects"]) == (2, 0)


def test_the_books_agree(scene: Scene) -> None:
    scene.books.must_agree()


def test_what_comes_after_its_retention_still_lands(new_scene: Callable[..., Scene]) -> None:
    scene = new_scene(**FORGETFUL)
    scene.ready(scene.worker(), scene.beat())
    scene.hand_on_webhooks()
    failing, refunded = scene.paid(payment_method="pm_card_refundFail"), scene.paid()
    refund_id = scene.refund(failing, amount=100)
    scene.refund_row(refund_id, "PROCESSED")
    # All of it is told and over, and older than a tenth of a second.
    scene.rows.wait_for("SELECT 1 WHERE NOT EXISTS (SELECT FROM outbox WHERE published_at IS NULL)")
    _prune_until_archived(scene, {failing, refunded})
    scene.simulator.advance(60)
    intent = scene.payment(refunded, "SUCCEEDED")["stripe_payment_intent_id"]
    scene.simulator.post(f"payment_intents/{intent}/refund", {"amount": 200})
    scene.refund_row(refund_id, "FAILED")
    scene.rows.wait_for("SELECT 1 FROM payment WHERE payment_id = %s AND amount_refunded = 200", refunded)
    assert scene.payment(failing, "SUCCEEDED")["amount_refunded"] == 0


def _charge(scene: Scene, trouble: str, *, account: str | None = None, **changes: object) -> str:
    """A charge, sent twice, that meets this trouble."""
    metadata = {"trouble": f"{trouble} {sorted(changes)}"}
    if TROUBLES[trouble]:
        on = {"account": account} if account else {}
        scene.simulator.fault(endpoint="payment_intents.create", metadata=metadata, **TROUBLES[trouble], **on)
    return scene.charge(metadata=metadata, copies=2, **changes)


def _prune_until_archived(scene: Scene, payment_ids: set[str]) -> None:
    query = "SELECT DISTINCT payment_id::text AS id FROM payment_history_archive"

    scene.close_books()

    def archived() -> bool:
        sent = scene.producer.send("payment_worker.prune", "maintenance", {})
        scene.witness.wait_for_end([sent])
        return payment_ids <= {row["id"] for row in scene.rows(query)}

    wait_until(archived, seconds=30, every_seconds=0.1, what="an archive")
