"""The journal and the ledger tell what really happened, the clock and the settings obey."""

import pytest
import stripe

from payment_worker.devstack.servers.simulator import Simulator, SimulatorError
from payment_worker.devstack.waiting import wait_until
from tests.simulator.builders import a_charge, a_decline, a_refund


def test_the_ledger_counts_money_and_effects(client: stripe.StripeClient, simulator: Simulator) -> None:
    intent = a_charge(client, metadata={"payment_id": "p1"})
    a_charge(client, metadata={"payment_id": "p1"}, currency="eur")
    a_refund(client, intent, amount=99, metadata={"refund_id": "r1"})
    ledger = simulator.ledger(**{"by": "payment_id", "metadata[payment_id]": "p1"})
    first = ledger["payment_intents"][0]
    expected = {"id": intent.id, "status": "succeeded", "captured": 1099, "refunded": 99, "effects": 1}
    assert expected.items() <= first.items()
    assert first["refunds"][0]["metadata"] == {"refund_id": "r1"}
    assert ledger["totals"]["usd"]["refunded"] == 99
    assert ledger["totals"]["eur"]["captured"] == 1099
    assert ledger["by"]["p1"]["effects"] == 2
    assert simulator.ledger(**{"metadata[payment_id]": "p2"})["payment_intents"] == []
    assert len(simulator.ledger(payment_intent=intent.id)["payment_intents"]) == 1


def test_the_ledger_takes_back_what_failed(client: stripe.StripeClient, simulator: Simulator) -> None:
    a_decline(client, "pm_card_visa_chargeDeclined")
    a_refund(client, a_charge(client, payment_method="pm_card_refundFail"))
    a_refund(client, a_charge(client, payment_method="pm_card_pendingRefund"), amount=1)
    declined, failing, pending = simulator.ledger()["payment_intents"]
    assert (declined["attempts"], declined["effects"], declined["captured"]) == (1, 0, 0)
    assert (failing["refunded"], pending["refund_pending"]) == (1099, 1)
    simulator.advance(10)
    _, failing, pending = simulator.ledger()["payment_intents"]
    assert (failing["refunded"], failing["refund_count"], pending["refund_pending"]) == (0, 0, 0)


def test_an_authorisation_is_an_effect_before_it_is_captured(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    a_charge(client, capture_method="manual")
    (line,) = simulator.ledger()["payment_intents"]
    assert (line["authorized"], line["captured"], line["effects"]) == (1099, 0, 1)


def test_the_ledger_knows_disputes(client: stripe.StripeClient, simulator: Simulator) -> None:
    dispute = simulator.post("disputes", {"payment_intent": a_charge(client).id})
    assert simulator.ledger()["payment_intents"][0]["disputed"] == 1099
    simulator.post(f"disputes/{dispute['id']}/close", {"status": "won"})
    assert simulator.ledger()["payment_intents"][0]["disputed"] == 0


def test_the_journal_keeps_what_was_asked(client: stripe.StripeClient, simulator: Simulator) -> None:
    simulator.fault("reset", nth=2)
    intent = a_charge(client, key="k1", metadata={"a": "b"})
    with pytest.raises(stripe.APIConnectionError):
        a_charge(client, key="k2")
    a_decline(client, "pm_card_visa_chargeDeclined")
    client.v1.payment_intents.retrieve(intent.id)
    first, second, third = simulator.journal()
    assert (first["key"], first["status"], first["effect"], first["object"]) == ("k1", 200, True, intent.id)
    assert (first["params"]["metadata"], "metadata[a]=b" in first["body"]) == ({"a": "b"}, True)
    assert (second["status"], second["effect"], second["fault"]) == (None, False, "reset")
    assert (third["status"], third["effect"]) == (402, True)
    assert simulator.journal(effect="false") == [second]
    assert simulator.journal(payment_intent=intent.id, endpoint="payment_intents.create") == [first]
    assert simulator.journal(limit=1) == [third]
    assert simulator.get("requests")["payment_intents.create"] == {"200": 1, "none": 1, "402": 1}
    simulator.delete("journal")
    assert simulator.journal() == []


def test_a_payment_of_another_program_appears(client: stripe.StripeClient, simulator: Simulator) -> None:
    made = simulator.post("payment_intents", {"amount": 500, "currency": "usd"})
    assert client.v1.payment_intents.retrieve(made["id"]).status == "succeeded"
    declined = simulator.post(
        "payment_intents",
        {"amount": 500, "currency": "usd", "payment_method": "pm_card_visa_chargeDeclined"},
    )
    assert declined["status"] == "requires_payment_method"
    assert simulator.journal() == []
    with pytest.raises(SimulatorError, match="400"):
        simulator.post("payment_intents", {"currency": "usd"})


def test_the_clock_moves_forward_only(simulator: Simulator) -> None:
    before = simulator.get("clock")["now"]
    after = simulator.post("clock/advance", {"seconds": 1000})
    assert 1000 <= after["now"] - before < 1010
    with pytest.raises(SimulatorError, match="0 or more"):
        simulator.post("clock/advance", {"seconds": -1})


def test_what_falls_due_happens_at_its_own_time(client: stripe.StripeClient, simulator: Simulator) -> None:
    intent = a_charge(client, payment_method="pm_card_processing")
    simulator.advance(1000)
    (event,) = client.v1.events.list({"type": "payment_intent.succeeded"}).data
    assert 5 <= event.created - intent.created <= 6


def test_things_fall_due_by_themselves_too(client: stripe.StripeClient, simulator: Simulator) -> None:
    simulator.post("settings", {"processing_delay_seconds": 0.05})
    intent = a_charge(client, payment_method="pm_card_processing")
    wait_until(lambda: client.v1.payment_intents.retrieve(intent.id).status == "succeeded", seconds=10)


@pytest.mark.parametrize(
    "wrong", [{"colour": 1}, {"latency_seconds": "x"}, {"latency_seconds": -1}, {"livemode": True}]
)
def test_a_wrong_setting_is_refused(simulator: Simulator, wrong: dict[str, object]) -> None:
    before = simulator.get("settings")
    with pytest.raises(SimulatorError, match="400"):
        simulator.post("settings", {"event_copies": 7, **wrong})
    assert simulator.get("settings") == before


def test_reset_forgets_everything(client: stripe.StripeClient, simulator: Simulator) -> None:
    a_charge(client, key="k")
    simulator.fault("hang")
    simulator.advance(10**6)
    simulator.post("settings", {"event_copies": 2})
    simulator.reset()
    assert simulator.ledger() == {"payment_intents": [], "totals": {}}
    assert simulator.get("faults")["faults"] == []
    assert simulator.get("clock")["offset_seconds"] == 0
    assert simulator.get("settings")["event_copies"] == 1
    assert a_charge(client, key="k").status == "succeeded"
