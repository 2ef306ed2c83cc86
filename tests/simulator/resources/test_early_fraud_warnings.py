"""An issuer's report of fraud is a warning, which a dispute or a full refund makes need no action any more."""

import pytest
import stripe

from payment_worker.devstack.servers.simulator import Simulator
from tests.simulator.builders import a_charge, a_refund, event_types, the_body


def test_a_reported_card_brings_a_warning_soon_after(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    intent = a_charge(client, payment_method="pm_card_createIssuerFraudRecord")
    simulator.advance(1)
    (warning,) = client.v1.radar.early_fraud_warnings.list({"payment_intent": intent.id}).data
    assert (warning.charge, warning.actionable) == (intent.latest_charge, True)
    shown = client.v1.radar.early_fraud_warnings.retrieve(warning.id, {"expand": ["payment_intent"]})
    assert the_body(shown)["payment_intent"]["id"] == intent.id
    assert "radar.early_fraud_warning.created" in event_types(client)
    with pytest.raises(stripe.InvalidRequestError, match="No such early fraud warning"):
        client.v1.radar.early_fraud_warnings.retrieve("issfr_none")


@pytest.mark.parametrize(("amount", "is_actionable"), [(500, True), (1099, False)])
def test_a_full_refund_ends_the_need_for_action(
    client: stripe.StripeClient, simulator: Simulator, amount: int, *, is_actionable: bool
) -> None:
    intent = a_charge(client)
    warning = simulator.post("early_fraud_warnings", {"payment_intent": intent.id, "fraud_type": "misc"})
    a_refund(client, intent, amount=amount)
    assert client.v1.radar.early_fraud_warnings.retrieve(warning["id"]).actionable is is_actionable
    assert ("radar.early_fraud_warning.updated" in event_types(client)) is not is_actionable


def test_a_dispute_ends_the_need_for_action(client: stripe.StripeClient, simulator: Simulator) -> None:
    intent = a_charge(client)
    warning = simulator.post("early_fraud_warnings", {"payment_intent": intent.id})
    simulator.post("disputes", {"payment_intent": intent.id})
    assert not client.v1.radar.early_fraud_warnings.retrieve(warning["id"]).actionable
