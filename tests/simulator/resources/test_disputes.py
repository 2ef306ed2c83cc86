"""A dispute takes the money, and a won one brings it back."""

import pytest
import stripe

from payment_worker.devstack.servers.simulator import Simulator, SimulatorError
from tests.simulator.builders import a_charge, a_refund, charge_of, event_types


def test_a_disputed_card_is_disputed_soon_after(client: stripe.StripeClient, simulator: Simulator) -> None:
    intent = a_charge(client, payment_method="pm_card_createDispute")
    simulator.advance(1)
    (dispute,) = client.v1.disputes.list({"payment_intent": intent.id}).data
    assert (dispute.status, dispute.reason, dispute.amount) == ("needs_response", "fraudulent", 1099)
    assert charge_of(client, intent).disputed
    assert {"charge.dispute.created", "charge.dispute.funds_withdrawn"} <= set(event_types(client))


@pytest.mark.parametrize(("status", "moved"), [("won", 0), ("prevented", 0), ("lost", -1099)])
def test_the_bank_decides(client: stripe.StripeClient, simulator: Simulator, status: str, moved: int) -> None:
    intent = a_charge(client)
    dispute = simulator.post("disputes", {"payment_intent": intent.id})
    closed = simulator.post(f"disputes/{dispute['id']}/close", {"status": status})
    assert closed["status"] == status
    assert sum(transaction["amount"] for transaction in closed["balance_transactions"]) == moved
    reinstated = "charge.dispute.funds_reinstated" in event_types(client)
    assert reinstated == (status != "lost")
    with pytest.raises(SimulatorError, match="closed"):
        simulator.post(f"disputes/{dispute['id']}/close", {"status": "won"})


@pytest.mark.parametrize(("status", "moved"), [("won", 0), ("lost", -1099)])
def test_a_loss_may_be_appealed(
    client: stripe.StripeClient, simulator: Simulator, status: str, moved: int
) -> None:
    dispute = simulator.post("disputes", {"payment_intent": a_charge(client).id})
    simulator.post(f"disputes/{dispute['id']}/close", {"status": "lost"})
    appealed = simulator.post(f"disputes/{dispute['id']}/update", {"status": "appeal_needs_response"})
    assert (appealed["status"], appealed["is_charge_refundable"]) == ("appeal_needs_response", False)
    answered = client.v1.disputes.update(dispute["id"], {"evidence": {"customer_name": "A"}})
    assert answered.status == "appeal_under_review"
    closed = simulator.post(f"disputes/{dispute['id']}/close", {"status": status})
    assert sum(transaction["amount"] for transaction in closed["balance_transactions"]) == moved


def test_only_a_loss_can_be_appealed(client: stripe.StripeClient, simulator: Simulator) -> None:
    dispute = simulator.post("disputes", {"payment_intent": a_charge(client).id})
    simulator.post(f"disputes/{dispute['id']}/close", {"status": "won"})
    with pytest.raises(SimulatorError, match="closed"):
        simulator.post(f"disputes/{dispute['id']}/update", {"status": "appeal_needs_response"})


def test_an_inquiry_moves_no_money_and_can_be_refunded(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    intent = a_charge(client)
    dispute = simulator.post("disputes", {"payment_intent": intent.id, "status": "warning_needs_response"})
    assert dispute["balance_transactions"] == []
    assert a_refund(client, intent, amount=1).status == "succeeded"
    escalated = simulator.post(f"disputes/{dispute['id']}/update", {"status": "needs_response"})
    assert [transaction["amount"] for transaction in escalated["balance_transactions"]] == [-1099]
    assert "charge.dispute.funds_withdrawn" in event_types(client)


def test_evidence_and_surrender_come_over_the_api(client: stripe.StripeClient, simulator: Simulator) -> None:
    dispute = simulator.post("disputes", {"payment_intent": a_charge(client).id})
    answered = client.v1.disputes.update(dispute["id"], {"evidence": {"customer_name": "A"}})
    assert (answered.status, answered.evidence_details.has_evidence) == ("under_review", True)
    assert client.v1.disputes.close(dispute["id"]).status == "lost"
