"""The key of a request that Stripe refused proves nothing any more: whoever reads Stripe's log can use it again."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from payment_worker.flows.reconciliation.run import reconcile
from tests.flows.scene import Scene
from tests.harness.rows import Rows

PAYMENT = "SELECT status, stripe_payment_intent_id AS id FROM payment"
CARD = {"payment_method": "pm_card_visa", "confirm": "true", "return_url": "https://shop.example/done"}
HOWS = ["event", "scheduled", "by hand"]


def in_form(metadata: Mapping[str, str]) -> dict[str, str]:
    return {f"metadata[{name}]": value for name, value in metadata.items()}


def see(scene: Scene, object_id: str, how: str) -> None:
    if how == "event":
        scene.deliver([each for each in scene.events() if object_id in str(each.payload)])
        return
    since = scene.context.clock() - timedelta(days=1) if how == "by hand" else None
    assert reconcile(scene.context, since=since, until=None, on_page=lambda _: True)


def forged(scene: Scene, payment_id: UUID, *, key: str) -> str:
    """What the stranger makes with the whole request of a refused charge, but for the card."""
    fields = {"amount": "5000", "currency": "eur", **CARD, **in_form(scene.metadata_of(payment_id))}
    return str(scene.at_stripe("/v1/payment_intents", fields, key=key)["id"])


@pytest.mark.parametrize("how", HOWS)
def test_a_refused_charge_is_not_paid_by_its_key(scene: Scene, rows: Rows, how: str) -> None:
    payment_id = scene.charge(payment_method="pm_no_such_method")
    made = forged(scene, payment_id, key=f"{payment_id}:charge:1")
    see(scene, made, how)
    assert rows.one(PAYMENT) == {"status": "FAILED", "id": None}
    assert rows.one("SELECT kind, object_id FROM reconciliation_finding WHERE status = 'OPEN'") == {
        "kind": "unverified_metadata",
        "object_id": made,
    }


@pytest.mark.parametrize("how", HOWS)
def test_a_refused_refund_is_not_given_by_its_key(scene: Scene, rows: Rows, how: str) -> None:
    payment_id, refund_id = scene.charge(), str(uuid4())
    scene.simulator.fault("bad_request", endpoint="refunds.create")
    scene.refund(payment_id, refund_id=refund_id, amount=700)
    sent = rows.one(
        "SELECT parameters::json -> 'metadata' AS its FROM payment_attempt WHERE action = 'refund'"
    )
    fields = {"payment_intent": str(rows.one(PAYMENT)["id"]), "amount": "700", **in_form(sent["its"])}
    made = str(scene.at_stripe("/v1/refunds", fields, key=f"{refund_id}:refund:1")["id"])
    see(scene, made, how)
    found = rows("SELECT status FROM refund WHERE refund_id = %s", refund_id)
    assert found == [{"status": "FAILED"}]
    assert rows("SELECT 1 FROM outbox WHERE type = 'RefundProcessed'") == []
    assert rows("SELECT 1 FROM reconciliation_finding WHERE object_id = %s AND status = 'OPEN'", made)
