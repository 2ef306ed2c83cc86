"""Every object the simulator answers fits the SDK's own annotations, and the checker that says so sees faults."""

import copy
import json
from typing import Any
from urllib.request import Request, urlopen

import pytest
import stripe
from stripe.params import PaymentIntentCreateParams, RefundCreateParams
from stripe.radar import EarlyFraudWarning

from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.simulator.resources.payers.bank_debits import CURRENCIES
from payment_worker.simulator.resources.payers.test_methods import TEST_METHODS
from tests.simulator.api.shapes import answer_faults, request_faults
from tests.simulator.builders import a_charge, a_refund, charge_params, the_body, the_error

_CLASSES: dict[str, type[stripe.StripeObject]] = {
    "payment_intent": stripe.PaymentIntent,
    "charge": stripe.Charge,
    "refund": stripe.Refund,
    "dispute": stripe.Dispute,
    "customer": stripe.Customer,
    "payment_method": stripe.PaymentMethod,
    "radar.early_fraud_warning": EarlyFraudWarning,
}


def _charge_any(client: stripe.StripeClient, method: str, **replaced: Any) -> dict[str, Any]:  # noqa: ANN401
    """Charge; the PaymentIntent, declined or not."""
    currency = CURRENCIES.get(TEST_METHODS[method].kind) or "usd"
    mandate = {"mandate": "mandate_1"} if TEST_METHODS[method].kind != "card" else {}
    try:
        return the_body(a_charge(client, payment_method=method, currency=currency, **mandate, **replaced))
    except stripe.CardError as error:
        intent: dict[str, Any] = the_error(error)["payment_intent"]
        return intent


@pytest.mark.parametrize("method", TEST_METHODS)
def test_a_payment_with_any_method_fits(
    client: stripe.StripeClient, simulator: Simulator, method: str
) -> None:
    away, present = _charge_any(client, method), _charge_any(client, method, off_session=None)
    for intent in (away, present):
        assert answer_faults(intent, stripe.PaymentIntent) == []
    simulator.advance(3600)
    later = client.v1.payment_intents.retrieve(
        away["id"], {"expand": ["latest_charge.balance_transaction", "payment_method", "customer"]}
    )
    assert answer_faults(the_body(later), stripe.PaymentIntent) == []


def test_every_event_and_its_object_fit(client: stripe.StripeClient, simulator: Simulator) -> None:
    for method in TEST_METHODS:
        _charge_any(client, method)
    held = a_charge(client, capture_method="manual")
    client.v1.payment_intents.capture(held.id, {"amount_to_capture": 500})
    client.v1.payment_intents.cancel(a_charge(client, capture_method="manual").id)
    for method in ("pm_card_visa", "pm_card_pendingRefund", "pm_card_refundFail"):
        a_refund(client, a_charge(client, payment_method=method), amount=100, reason="duplicate")
    dispute = simulator.post("disputes", {"payment_intent": a_charge(client).id})
    simulator.post(f"disputes/{dispute['id']}/close", {"status": "won"})
    simulator.advance(86_400)
    events = simulator.get("events")["data"]
    assert len({event["type"] for event in events}) >= 20
    for event in events:
        assert answer_faults(event, stripe.Event) == []
        record = event["data"]["object"]
        assert answer_faults(record, _CLASSES[record["object"]]) == []


def test_lists_and_single_objects_fit(client: stripe.StripeClient, simulator: Simulator) -> None:
    customer = client.v1.customers.create({"email": "a@example.com", "name": "A", "metadata": {"k": "v"}})
    intent = a_charge(client, customer=customer.id, capture_method="automatic")
    a_refund(client, intent)
    simulator.post("disputes", {"payment_intent": a_charge(client).id})
    objects: list[tuple[stripe.StripeObject, type[stripe.StripeObject]]] = [
        (customer, stripe.Customer),
        (client.v1.balance.retrieve(), stripe.Balance),
        (client.v1.payment_methods.retrieve(str(intent.payment_method)), stripe.PaymentMethod),
    ]
    for answer, kind in objects:
        assert answer_faults(the_body(answer), kind) == []
    lists: list[tuple[Any, type[stripe.StripeObject]]] = [
        (client.v1.charges.list({"expand": ["data.balance_transaction"]}), stripe.Charge),
        (client.v1.refunds.list({"expand": ["data.charge"]}), stripe.Refund),
        (client.v1.disputes.list({"expand": ["data.payment_intent"]}), stripe.Dispute),
        (client.v1.balance_transactions.list(), stripe.BalanceTransaction),
        (client.v1.events.list(), stripe.Event),
    ]
    for listed, kind in lists:
        data = the_body(listed)["data"]
        assert data
        assert [fault for record in data for fault in answer_faults(record, kind)] == []


def test_the_account_fits(simulator: Simulator) -> None:
    request = Request(f"{simulator.url}/v1/account", headers={"Authorization": "Bearer sk_test_x"})  # noqa: S310
    with urlopen(request, timeout=10) as answer:  # noqa: S310 - our own process
        assert answer_faults(json.load(answer), stripe.Account) == []


def test_the_checker_sees_missing_unknown_and_mistyped_fields(client: stripe.StripeClient) -> None:
    intent = a_charge(client, capture_method="automatic", expand=["latest_charge.balance_transaction"])
    good = the_body(intent)
    planted: list[tuple[tuple[str, ...], object, str]] = [
        (("amount",), "1099", "amount"),
        (("status",), "paid", "status"),
        (("invented",), 1, "invented: unknown"),
        (("metadata", "k"), 1, "metadata[k]"),
        (("latest_charge", "balance_transaction", "fee"), None, "latest_charge.balance_transaction.fee"),
        (("latest_charge", "outcome", "mood"), "good", "latest_charge.outcome.mood: unknown"),
        (("latest_charge", "payment_method_details", "card", "exp_year"), "2034", "card.exp_year"),
    ]
    for path, value, said in planted:
        bad = copy.deepcopy(good)
        inner = bad
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = value
        assert said in " ".join(answer_faults(bad, stripe.PaymentIntent)), path
    del good["currency"]
    assert answer_faults(good, stripe.PaymentIntent) == ["PaymentIntent.currency: missing"]


def test_the_checker_reads_request_parameters_too() -> None:
    assert request_faults(charge_params(metadata={"a": "b"}), PaymentIntentCreateParams) == []
    assert request_faults({"payment_intent": "pi_1", "reason": "duplicate"}, RefundCreateParams) == []
    bad = charge_params(
        payment_method_types=["card"], automatic_payment_methods={"enabled": "yes"}, amount=None
    )
    found = request_faults(bad, PaymentIntentCreateParams)
    assert [fault.split(":")[0].removeprefix("PaymentIntentCreateParams.") for fault in found] == [
        "payment_method_types",
        "amount",
        "automatic_payment_methods.enabled",
    ]
