"""What somebody else writes into metadata at Stripe decides nothing: it is found, and named to a person.

The stranger may write to the Stripe account: an app of another team, a person in the dashboard, the owner of a
connected account. They know our metadata keys, and can copy the metadata of any object that they may read.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from payment_worker.flows.metadata_secrets import MetadataSecrets
from payment_worker.flows.reconciliation.run import reconcile
from payment_worker.store.events.inbox import EventStatus
from tests.flows.reconciliation.lost_rows import lose_everything
from tests.flows.scene import Scene
from tests.harness.rows import Rows

MAC = "payment_worker_mac"
OLD, NEW = "an old secret, not used any more: 1", "a new secret, of the week before: 2"
OTHER = "00000000-0000-4000-8000-00000000000b"
PAID = {"amount": 5000, "currency": "eur", "payment_method": "pm_card_visa"}
Reconcile = Callable[..., None]


@pytest.fixture
def reconciled(scene: Scene) -> Reconcile:
    """Reconciles the whole time, as after a restore."""

    def run(scene: Scene = scene, **more: Any) -> None:  # noqa: ANN401 - reconcile's own arguments
        since = scene.context.clock() - timedelta(days=20)
        done = reconcile(scene.context, since=since, until=None, on_page=lambda _: True, **more)
        assert done is not None
        assert done.run.is_finished

    return run


def findings(rows: Rows) -> dict[str, tuple[str, str]]:
    """Kind and status of what was found, by the object that it names."""
    found = rows("SELECT object_id, kind, status FROM reconciliation_finding")
    return {row["object_id"]: (row["kind"], row["status"]) for row in found}


def forged(scene: Scene, metadata: dict[str, str], **changes: object) -> str:
    """A PaymentIntent that the stranger made and paid."""
    return str(scene.simulator.post("payment_intents", {**PAID, **changes, "metadata": metadata})["id"])


def nothing_is_known(rows: Rows) -> None:
    assert rows("SELECT * FROM payment") == []
    assert rows("SELECT * FROM outbox") == []


UNVERIFIED = ("unverified_metadata", "OPEN")
SEVERAL = ("several_payment_intents", "OPEN")


@pytest.mark.parametrize("mac", [None, "", "v1:", "v1:" + "0" * 64, "v2:\N{SNOWMAN}"])
def test_a_paid_payment_intent_with_our_keys_is_found_and_never_brought_back(
    scene: Scene, rows: Rows, reconciled: Reconcile, mac: str | None
) -> None:
    ids = {"payment_id": str(uuid4()), "order_id": str(uuid4())}
    intent = forged(scene, ids if mac is None else {**ids, MAC: mac})
    reconciled()
    scene.deliver(scene.events())
    nothing_is_known(rows)
    assert findings(rows) == {intent: UNVERIFIED}


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 50},
        {"amount": 500_000},
        {"currency": "usd"},
        {"currency": "jpy"},
        {"metadata": {"order_id": OTHER}},
        {"metadata": {"payment_id": OTHER}},
        {"metadata": {"payment_worker_order_id": OTHER}},
    ],
    ids=str,
)
def test_the_metadata_of_a_genuine_object_prove_nothing_on_one_that_shows_something_else(
    scene: Scene, rows: Rows, reconciled: Reconcile, changes: dict[str, Any]
) -> None:
    payment_id = scene.charge(payment_method="pm_card_chargeDeclined")
    metadata = {**scene.metadata_of(payment_id), **changes.pop("metadata", {})}
    intent = forged(scene, metadata, **changes)
    lose_everything(rows)
    reconciled()
    assert rows("SELECT type FROM outbox WHERE type = 'PaymentSucceeded'") == []
    assert rows.one("SELECT status FROM payment")["status"] == "FAILED"
    assert findings(rows)[intent] == UNVERIFIED


@pytest.mark.parametrize("is_row_lost", [True, False])
def test_of_two_with_the_same_proof_none_is_taken_until_a_person_says_which(
    scene: Scene, rows: Rows, reconciled: Reconcile, *, is_row_lost: bool
) -> None:
    payment_id = scene.charge(payment_method="pm_card_chargeDeclined")
    genuine = rows.one("SELECT stripe_payment_intent_id AS id FROM payment")["id"]
    copy = forged(scene, scene.metadata_of(payment_id))
    if is_row_lost:
        lose_everything(rows)
    else:
        rows("UPDATE payment SET stripe_payment_intent_id = NULL, stripe_charge_id = NULL")
    told = rows("SELECT message_id FROM outbox")
    reconciled()
    assert findings(rows) == {genuine: SEVERAL, copy: SEVERAL}
    assert rows("SELECT message_id FROM outbox") == told
    reconciled(accepted={genuine: "the declined one is ours, says support"})
    row = rows.one("SELECT status, stripe_payment_intent_id AS id FROM payment")
    assert row == {"status": "FAILED", "id": genuine}
    found = rows("SELECT kind, object_id FROM reconciliation_finding WHERE status = 'OPEN'")
    assert found == [{"kind": "second_payment_intent", "object_id": copy}]


def test_a_copy_of_what_is_known_is_a_second_one_and_changes_nothing(
    scene: Scene, rows: Rows, reconciled: Reconcile
) -> None:
    payment_id = scene.charge(payment_method="pm_card_chargeDeclined")
    copy = forged(scene, scene.metadata_of(payment_id))
    before = rows("SELECT * FROM payment"), rows("SELECT message_id FROM outbox")
    reconciled()
    scene.deliver(scene.events())
    assert (rows("SELECT * FROM payment"), rows("SELECT message_id FROM outbox")) == before
    assert findings(rows) == {copy: ("second_payment_intent", "OPEN")}


def test_the_owner_of_a_connected_account_cannot_pay_there_for_a_payment_elsewhere(
    scene: Scene, rows: Rows, reconciled: Reconcile
) -> None:
    payment_id = scene.charge(payment_method="pm_card_chargeDeclined")
    scene.charge(stripe_account="acct_theirs")
    copy = forged(scene, scene.metadata_of(payment_id), account="acct_theirs")
    lose_everything(rows)
    reconciled(accounts=["acct_theirs"])
    assert [row["status"] for row in rows("SELECT status FROM payment ORDER BY status")] == [
        "FAILED",
        "SUCCEEDED",
    ]
    assert findings(rows)[copy] == UNVERIFIED


@pytest.mark.parametrize("how", ["event", "look-up", "reconciliation"])
def test_what_names_a_payment_whose_attempt_is_unanswered_is_not_its_answer(
    scene: Scene, rows: Rows, reconciled: Reconcile, how: str
) -> None:
    payment_id = scene.charge_unanswered()
    order_id = rows.one("SELECT order_id FROM payment")["order_id"]
    intent = forged(scene, {"payment_id": str(payment_id), "order_id": str(order_id)})
    if how == "event":
        (event,) = [
            each for each in scene.events(types=["payment_intent.succeeded"]) if each.object_id == intent
        ]
        assert scene.deliver([event]) == [EventStatus.IGNORED]
        assert findings(rows) == {intent: UNVERIFIED}
    elif how == "reconciliation":
        reconciled()
        assert findings(rows)[intent] == UNVERIFIED
    scene.resume()
    row = rows.one("SELECT status, stripe_payment_intent_id AS id FROM payment")
    assert row["status"] == "SUCCEEDED"
    assert row["id"] != intent


def test_a_refund_that_names_one_that_was_lost_is_found_and_not_recorded_under_its_name(
    scene: Scene, rows: Rows, reconciled: Reconcile
) -> None:
    payment_id, refund_id = scene.charge(), str(uuid4())
    intent = rows.one("SELECT stripe_payment_intent_id AS id FROM payment")["id"]
    ids = {"payment_id": str(payment_id), "refund_id": refund_id}
    theirs = scene.simulator.post(f"payment_intents/{intent}/refund", {"amount": 700, "metadata": ids})
    scene.deliver(scene.events())
    reconciled()
    assert rows("SELECT * FROM refund") == []
    assert rows("SELECT * FROM outbox WHERE type LIKE 'Refund%%'") == []
    assert findings(rows) == {theirs["id"]: UNVERIFIED}
    reconciled(accepted={theirs["id"]: "made before the secret was"})
    assert rows.one("SELECT refund_id, status FROM refund") == {"refund_id": refund_id, "status": "PROCESSED"}
    found = rows("SELECT kind, status FROM reconciliation_finding ORDER BY kind")
    assert [tuple(row.values()) for row in found] == [
        ("refund_not_ours", "REPAIRED"),
        ("unverified_metadata", "CLOSED"),
    ]


def test_a_refund_is_not_answered_by_one_that_only_carries_its_id(scene: Scene, rows: Rows) -> None:
    payment_id, refund_id = scene.charge(), str(uuid4())
    intent = rows.one("SELECT stripe_payment_intent_id AS id FROM payment")["id"]
    scene.simulator.fault("server_error", when="before", endpoint="refunds.create")
    asking = scene.simulator.fault("unavailable", endpoint="refunds.list", times=None)
    scene.refund(payment_id, refund_id=refund_id, amount=700)
    scene.simulator.delete(f"faults/{asking}")
    ids = {"payment_id": str(payment_id), "refund_id": refund_id}
    theirs = scene.simulator.post(f"payment_intents/{intent}/refund", {"amount": 700, "metadata": ids})
    scene.deliver(scene.events(types=["refund.created"]))
    assert rows.one("SELECT status FROM refund")["status"] == "REQUESTED"
    scene.resume()
    row = rows.one("SELECT status, stripe_refund_id AS id FROM refund")
    assert row["status"] == "PROCESSED"
    assert row["id"] != theirs["id"]


def with_secrets(scene: Scene, *secrets: str) -> Scene:
    return replace(scene, context=replace(scene.context, metadata_secrets=MetadataSecrets(secrets)))


def test_the_first_secret_signs_and_all_of_them_verify(
    scene: Scene, rows: Rows, reconciled: Reconcile
) -> None:
    before, after = with_secrets(scene, OLD), with_secrets(scene, NEW, OLD)
    ids = {before.charge(), after.charge()}
    lose_everything(rows)
    reconciled(after)
    assert {UUID(row["payment_id"]) for row in rows("SELECT payment_id FROM payment")} == ids


def test_what_a_lost_secret_signed_comes_back_by_a_persons_word_alone(
    scene: Scene, rows: Rows, reconciled: Reconcile
) -> None:
    before, after = with_secrets(scene, OLD), with_secrets(scene, NEW)
    payment_id = before.charge()
    intent = rows.one("SELECT stripe_payment_intent_id AS id FROM payment")["id"]
    lose_everything(rows)
    reconciled(after)
    nothing_is_known(rows)
    assert findings(rows) == {intent: UNVERIFIED}
    reconciled(after, accepted={intent: "the secret was lost with the database"})
    row = rows.one("SELECT payment_id, status FROM payment")
    assert row == {"payment_id": str(payment_id), "status": "SUCCEEDED"}
    (first, *_) = rows("SELECT actor, detail FROM payment_history ORDER BY history_id DESC")
    assert first["actor"] == "test"
    assert first["detail"]["reason"] == "the secret was lost with the database"


def test_an_attempt_is_looked_up_by_what_it_sent_whatever_secret_is_configured(
    scene: Scene, rows: Rows
) -> None:
    with_secrets(scene, OLD).charge_unanswered()
    with_secrets(scene, NEW).resume()
    assert rows.one("SELECT status FROM payment")["status"] == "SUCCEEDED"
    assert len(scene.simulator.ledger()["payment_intents"]) == 1


@pytest.mark.parametrize("metadata", [{"payment_id": "", "order_id": "", MAC: ""}, {MAC: "edited"}], ids=str)
def test_editing_the_metadata_of_an_object_that_we_know_changes_nothing(
    scene: Scene, rows: Rows, reconciled: Reconcile, metadata: dict[str, str]
) -> None:
    scene.charge()
    intent = rows.one("SELECT stripe_payment_intent_id AS id FROM payment")["id"]
    scene.edit(f"payment_intents/{intent}", metadata)
    before = rows("SELECT status, amount_captured, version FROM payment")
    reconciled()
    scene.deliver(scene.events())
    assert rows("SELECT status, amount_captured, version FROM payment") == before
    assert findings(rows) == {}


def test_the_same_request_again_is_the_same_bytes(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge_unanswered(when="before")
    asked = rows.one("SELECT parameters FROM payment_attempt")["parameters"]
    with_secrets(scene, NEW).resume()
    sent = rows("SELECT parameters FROM payment_attempt WHERE payment_id = %s", str(payment_id))
    assert {row["parameters"] for row in sent} == {asked}
