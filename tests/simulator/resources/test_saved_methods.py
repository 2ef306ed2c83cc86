"""Payment methods are made of test tokens, saved by SetupIntents, and charged with or without a PaymentIntent."""

from typing import Any

import pytest
import stripe

from payment_worker.devstack.servers.simulator import Simulator
from tests.simulator.api.shapes import answer_faults
from tests.simulator.builders import a_charge, event_types, the_body, the_error

_BANK: Any = {
    "type": "us_bank_account",
    "us_bank_account": {"account_number": "000123456789", "routing_number": "110000000"},
}


def _method(client: stripe.StripeClient, card: str = "tok_visa", **more: Any) -> stripe.PaymentMethod:  # noqa: ANN401
    params: Any = {"type": "card", "card": {"token": card}, **more}
    return client.v1.payment_methods.create(params)


def test_a_token_becomes_a_payment_method_that_can_be_charged(client: stripe.StripeClient) -> None:
    method = _method(client, "tok_mastercard", billing_details={"name": "A"}, metadata={"k": "v"})
    assert answer_faults(the_body(method), stripe.PaymentMethod) == []
    assert method.card is not None
    assert (method.card.brand, method.billing_details.name) == ("mastercard", "A")
    assert a_charge(client, payment_method=method.id).payment_method == method.id
    bank = client.v1.payment_methods.create(_BANK)
    assert answer_faults(the_body(bank), stripe.PaymentMethod) == []
    assert a_charge(client, payment_method=bank.id).status == "processing"


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"type": "card", "card": {"number": "4242424242424242"}}, 402),
        ({"type": "card", "card": {"token": "tok_nobody"}}, 400),
        ({"type": "card", "card": "tok_visa"}, 400),
        ({"type": "card", "card": {"token": "tok_visa"}, "billing_details": {"address": "x"}}, 400),
        ({"type": "us_bank_account", "us_bank_account": {"account_number": "1"}}, 400),
        ({"type": "sepa_debit"}, 501),
        ({}, 400),
    ],
)
def test_what_is_no_test_token_is_an_error(
    client: stripe.StripeClient, params: dict[str, Any], status: int
) -> None:
    wrong: Any = params
    with pytest.raises(stripe.StripeError) as caught:
        client.v1.payment_methods.create(wrong)
    assert caught.value.http_status == status


def test_a_customer_s_payment_methods_are_listed_until_they_are_detached(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"name": "A"})
    method = _method(client)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_methods.update(method.id, {"metadata": {"a": "b"}})
    client.v1.payment_methods.attach(method.id, {"customer": customer.id})
    assert client.v1.payment_methods.update(method.id, {"metadata": {"a": "b"}}).metadata
    for listed in (
        client.v1.payment_methods.list({"customer": customer.id}),
        client.v1.customers.payment_methods.list(customer.id, {"type": "card"}),
    ):
        assert [found.id for found in listed.data] == [method.id]
    assert client.v1.payment_methods.detach(method.id).customer is None
    assert client.v1.payment_methods.list({"customer": customer.id}).data == []
    updated = client.v1.customers.update(customer.id, {"name": "B", "metadata": {"a": "b"}})
    assert (updated.name, answer_faults(the_body(updated), stripe.Customer)) == ("B", [])


def test_a_setup_intent_saves_a_payment_method(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({})
    made = client.v1.setup_intents.create({"customer": customer.id, "usage": "off_session"})
    assert (made.status, answer_faults(the_body(made), stripe.SetupIntent)) == ("requires_payment_method", [])
    done = client.v1.setup_intents.confirm(made.id, {"payment_method": "pm_card_visa"})
    assert (done.status, answer_faults(the_body(done), stripe.SetupIntent)) == ("succeeded", [])
    (saved,) = client.v1.payment_methods.list({"customer": customer.id}).data
    assert saved.id == done.payment_method
    assert a_charge(client, customer=customer.id, payment_method=saved.id).status == "succeeded"
    assert event_types(client, type="setup_intent.*") == ["setup_intent.created", "setup_intent.succeeded"]
    assert [found.id for found in client.v1.setup_intents.list({"customer": customer.id}).data] == [made.id]


def test_a_declined_setup_leaves_the_setup_intent(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.CardError) as caught:
        client.v1.setup_intents.create({"payment_method": "pm_card_visa_chargeDeclined", "confirm": True})
    left = the_error(caught.value)["setup_intent"]
    assert (left["status"], answer_faults(left, stripe.SetupIntent)) == ("requires_payment_method", [])
    saved = client.v1.setup_intents.create({"payment_method": "pm_card_chargeCustomerFail", "confirm": True})
    assert saved.status == "succeeded"


def test_a_customer_authenticates_a_setup_or_does_not(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    params: Any = {"payment_method": "pm_card_authenticationRequired", "confirm": True}
    first, second = (client.v1.setup_intents.create(params) for _ in range(2))
    assert (first.status, answer_faults(the_body(first), stripe.SetupIntent)) == ("requires_action", [])
    assert simulator.post(f"setup_intents/{first.id}/complete")["status"] == "succeeded"
    failed = simulator.post(f"setup_intents/{second.id}/fail")
    assert failed["last_setup_error"]["code"] == "setup_intent_authentication_failure"
    assert answer_faults(failed, stripe.SetupIntent) == []
    assert (
        client.v1.setup_intents.cancel(second.id, {"cancellation_reason": "abandoned"}).status == "canceled"
    )
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.setup_intents.confirm(first.id)


def test_a_charge_can_be_made_without_a_payment_intent(client: stripe.StripeClient) -> None:
    params: Any = {"amount": 1099, "currency": "usd", "source": "tok_visa", "metadata": {"a": "b"}}
    charge = client.v1.charges.create(params)
    assert (charge.status, charge.captured, charge.payment_intent) == ("succeeded", True, None)
    assert answer_faults(the_body(charge), stripe.Charge) == []
    refund = client.v1.refunds.create({"charge": charge.id, "amount": 99})
    assert (refund.status, answer_faults(the_body(refund), stripe.Refund)) == ("succeeded", [])
    params["capture"] = False
    held = client.v1.charges.create(params)
    assert (held.captured, held.balance_transaction) == (False, None)
    assert client.v1.charges.capture(held.id, {"amount": 500}).amount_captured == 500
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.charges.capture(held.id)
    assert the_error(caught.value)["code"] == "charge_already_captured"
    assert client.v1.charges.update(held.id, {"description": "d"}).description == "d"


def test_a_charge_without_a_payment_intent_can_be_declined(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.CardError) as caught:
        client.v1.charges.create({"amount": 1099, "currency": "usd", "source": "tok_chargeDeclined"})
    error = the_error(caught.value)
    assert error["code"] == "card_declined"
    declined = client.v1.charges.retrieve(error["charge"])
    assert (declined.status, answer_faults(the_body(declined), stripe.Charge)) == ("failed", [])


def test_what_only_older_apps_do_is_said_to_be_missing(client: stripe.StripeClient) -> None:
    held = client.v1.charges.create(
        {"amount": 1099, "currency": "usd", "source": "tok_visa", "capture": False}
    )
    with pytest.raises(stripe.APIError) as caught:
        client.v1.refunds.create({"charge": held.id})
    assert caught.value.http_status == 501
    customer = client.v1.customers.create({})
    with pytest.raises(stripe.StripeError, match="no active card"):
        client.v1.charges.create({"amount": 1099, "currency": "usd", "customer": customer.id})
