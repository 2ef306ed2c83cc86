"""A PaymentIntent goes the ways Stripe documents, and says why when it cannot."""

from typing import Any

import pytest
import stripe

from payment_worker.devstack.servers.simulator import Simulator
from tests.simulator.api.shapes import answer_faults
from tests.simulator.builders import (
    a_charge,
    a_decline,
    charge_of,
    charge_params,
    event_types,
    the_body,
    the_error,
)


def test_a_charge_succeeds_at_once(client: stripe.StripeClient) -> None:
    intent = a_charge(client, metadata={"payment_id": "p1"})
    assert (intent.status, intent.amount_received, intent.metadata["payment_id"]) == ("succeeded", 1099, "p1")
    assert event_types(client) == ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


def test_the_balance_transaction_comes_later(client: stripe.StripeClient, simulator: Simulator) -> None:
    intent = a_charge(client)
    assert charge_of(client, intent).balance_transaction is None
    simulator.advance(1)
    transaction_id = charge_of(client, intent).balance_transaction
    assert isinstance(transaction_id, str)
    transaction = client.v1.balance_transactions.retrieve(transaction_id)
    assert (transaction.amount, transaction.fee, transaction.net) == (1099, 62, 1037)
    assert event_types(client)[-1] == "charge.updated"


def test_synchronous_capture_has_its_balance_transaction_at_once(client: stripe.StripeClient) -> None:
    assert charge_of(client, a_charge(client, capture_method="automatic")).balance_transaction is not None


@pytest.mark.parametrize(
    ("method", "code", "decline_code", "advice_code"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline", "try_again_later"),
        (
            "pm_card_visa_chargeDeclinedInsufficientFunds",
            "card_declined",
            "insufficient_funds",
            "try_again_later",
        ),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card", "do_not_try_again"),
        ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card", "do_not_try_again"),
        (
            "pm_card_visa_chargeDeclinedVelocityLimitExceeded",
            "card_declined",
            "card_velocity_exceeded",
            "try_again_later",
        ),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card", "confirm_card_data"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc", "confirm_card_data"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error", "try_again_later"),
        ("pm_card_chargeCustomerFail", "card_declined", "generic_decline", "try_again_later"),
        ("pm_card_radarBlock", "card_declined", "fraudulent", "do_not_try_again"),
    ],
)
def test_a_decline_is_a_402_that_says_why(
    client: stripe.StripeClient, method: str, code: str, decline_code: str, advice_code: str
) -> None:
    error = a_decline(client, method)
    body = the_error(error)
    assert (error.http_status, body["code"], body["decline_code"]) == (402, code, decline_code)
    assert (body["advice_code"], body["type"]) == (advice_code, "card_error")
    assert body["payment_intent"]["status"] == "requires_payment_method"
    assert body["payment_intent"]["last_payment_error"]["charge"] == body["charge"]
    assert client.v1.charges.retrieve(body["charge"]).status == "failed"
    assert event_types(client)[-2:] == ["charge.failed", "payment_intent.payment_failed"]


def test_a_declined_one_is_confirmed_again_with_another_card(client: stripe.StripeClient) -> None:
    intent_id = the_error(a_decline(client, "pm_card_visa_chargeDeclined"))["payment_intent"]["id"]
    again = client.v1.payment_intents.confirm(
        intent_id, {"payment_method": "pm_card_mastercard", "off_session": True}
    )
    assert (again.status, again.last_payment_error) == ("succeeded", None)
    assert len(client.v1.charges.list({"payment_intent": intent_id}).data) == 2


def test_authentication_is_refused_while_the_customer_is_away(client: stripe.StripeClient) -> None:
    body = the_error(a_decline(client, "pm_card_authenticationRequired"))
    assert body["code"] == "authentication_required"
    assert body["payment_intent"]["status"] == "requires_payment_method"


def test_authentication_is_asked_of_a_customer_who_is_there(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    intent = a_charge(client, payment_method="pm_card_authenticationRequired", off_session=None)
    assert (intent.status, intent.next_action is not None) == ("requires_action", True)
    assert event_types(client)[-1] == "payment_intent.requires_action"
    assert simulator.post(f"payment_intents/{intent.id}/complete")["status"] == "succeeded"


def test_failed_authentication_takes_it_back(client: stripe.StripeClient, simulator: Simulator) -> None:
    intent = a_charge(client, payment_method="pm_card_authenticationRequired", off_session=None)
    failed = simulator.post(f"payment_intents/{intent.id}/fail")
    assert failed["last_payment_error"]["code"] == "payment_intent_authentication_failure"
    assert event_types(client)[-1] == "payment_intent.payment_failed"


@pytest.mark.parametrize(
    ("method", "status"),
    [
        ("pm_us_bank_account", "succeeded"),
        ("pm_card_processing", "succeeded"),
        ("pm_usBankAccount_insufficientFunds", "requires_payment_method"),
        ("pm_usBankAccount_processing", "processing"),
    ],
)
def test_a_slow_method_is_decided_later(
    client: stripe.StripeClient, simulator: Simulator, method: str, status: str
) -> None:
    intent = a_charge(client, payment_method=method)
    assert intent.status == "processing"
    simulator.advance(5)
    assert client.v1.payment_intents.retrieve(intent.id).status == status


def test_a_bank_account_is_refused_where_only_cards_are_allowed(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="not allowed") as caught:
        a_charge(
            client,
            payment_method="pm_us_bank_account",
            automatic_payment_methods=None,
            allowed_payment_method_types=["card"],
        )
    assert caught.value.param == "payment_method"


@pytest.mark.parametrize(
    ("replaced", "param", "code"),
    [
        ({"amount": 49}, "amount", "amount_too_small"),
        ({"amount": 100_000_000}, "amount", "amount_too_large"),
        ({"amount": "ten"}, "amount", "parameter_invalid_integer"),
        ({"amount": None}, "amount", "parameter_missing"),
        ({"amount": 1001, "currency": "kwd"}, "amount", None),
        ({"currency": "xyz"}, "currency", None),
        ({"payment_method": "pm_nobody"}, "payment_method", "resource_missing"),
        ({"customer": "cus_nobody"}, "customer", "resource_missing"),
        ({"flavour": "mint"}, "flavour", "parameter_unknown"),
        (
            {"payment_method_types": ["card"]},
            "payment_method_types",
            "payment_method_types_no_longer_supported",
        ),
        ({"metadata": {"k" * 41: "v"}}, "metadata", None),
        ({"metadata": {"k": "v" * 501}}, "metadata[k]", None),
        ({"capture_method": "never"}, "capture_method", None),
        ({"statement_descriptor_suffix": "x" * 23}, "statement_descriptor_suffix", None),
        ({"confirm": False}, "off_session", None),
    ],
)
def test_wrong_parameters_are_named(
    client: stripe.StripeClient, replaced: dict[str, Any], param: str, code: str | None
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        a_charge(client, **replaced)
    assert (caught.value.http_status, caught.value.param, the_error(caught.value).get("code")) == (
        400,
        param,
        code,
    )
    assert event_types(client) == []


@pytest.mark.parametrize(
    ("amount", "currency"), [(50, "usd"), (50, "jpy"), (1000, "kwd"), (99_999_999, "EUR")]
)
def test_good_amounts_pass(client: stripe.StripeClient, amount: int, currency: str) -> None:
    assert a_charge(client, amount=amount, currency=currency).currency == currency.lower()


def test_what_succeeded_is_neither_confirmed_nor_canceled(client: stripe.StripeClient) -> None:
    intent = a_charge(client)
    for call in (client.v1.payment_intents.confirm, client.v1.payment_intents.cancel):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            call(intent.id)
        body = the_error(caught.value)
        assert (body["code"], body["payment_intent"]["id"]) == ("payment_intent_unexpected_state", intent.id)


def test_an_unknown_one_is_a_404(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.payment_intents.retrieve("pi_nobody")
    assert (caught.value.http_status, the_error(caught.value)["code"]) == (404, "resource_missing")


def test_steps_can_be_taken_one_by_one(client: stripe.StripeClient) -> None:
    bare = charge_params(payment_method=None, confirm=None, off_session=None)
    intent = client.v1.payment_intents.create(bare)
    assert intent.status == "requires_payment_method"
    updated = client.v1.payment_intents.update(
        intent.id, {"payment_method": "pm_card_visa", "metadata": {"a": "1"}, "amount": 2000}
    )
    assert (updated.status, updated.amount) == ("requires_confirmation", 2000)
    assert client.v1.payment_intents.confirm(intent.id).status == "succeeded"
    assert client.v1.payment_intents.update(intent.id, {"metadata": {"a": ""}}).metadata.to_dict() == {}


def test_an_update_of_money_that_moved_is_refused(client: stripe.StripeClient) -> None:
    intent = a_charge(client)
    with pytest.raises(stripe.InvalidRequestError, match="could not be updated"):
        client.v1.payment_intents.update(intent.id, {"amount": 1})


def test_a_list_is_paged_both_ways_and_filtered(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"email": "one@example.com"})
    ours = [a_charge(client, customer=customer.id).id for _ in range(5)]
    a_charge(client)
    first = client.v1.payment_intents.list({"customer": customer.id, "limit": 2})
    assert ([intent.id for intent in first.data], first.has_more) == ([ours[4], ours[3]], True)
    rest = client.v1.payment_intents.list({"customer": customer.id, "starting_after": ours[3]})
    assert ([intent.id for intent in rest.data], rest.has_more) == ([ours[2], ours[1], ours[0]], False)
    newer = client.v1.payment_intents.list({"customer": customer.id, "ending_before": ours[1], "limit": 2})
    assert [intent.id for intent in newer.data] == [ours[3], ours[2]]
    pages = client.v1.payment_intents.list({"customer": customer.id, "limit": 2})
    assert [intent.id for intent in pages.auto_paging_iter()] == ours[::-1]


def test_a_list_keeps_to_its_time_window(client: stripe.StripeClient, simulator: Simulator) -> None:
    intents = []
    for _ in range(3):
        intents.append(a_charge(client))
        simulator.advance(10)
    _, middle, _ = intents
    found = client.v1.payment_intents.list({"created": {"gte": middle.created, "lt": middle.created + 5}})
    assert [intent.id for intent in found.data] == [middle.id]
    assert not client.v1.payment_intents.list({"created": {"gt": middle.created + 50}}).data


def test_ids_are_expanded_where_asked(client: stripe.StripeClient) -> None:
    a_charge(client, capture_method="automatic")
    listed = client.v1.payment_intents.list({"expand": ["data.latest_charge.balance_transaction"]})
    charge = listed.data[0].latest_charge
    assert isinstance(charge, stripe.Charge)
    assert isinstance(charge.balance_transaction, stripe.BalanceTransaction)
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        client.v1.payment_intents.list({"expand": ["data.colour"]})


def test_a_confirmation_token_is_used_once(client: stripe.StripeClient) -> None:
    token = client.v1.test_helpers.confirmation_tokens.create(
        {"payment_method": "pm_card_visa", "return_url": "https://shop.example/done"}
    )
    assert answer_faults(the_body(token), stripe.ConfirmationToken) == []
    given = {"payment_method": None, "off_session": None, "confirmation_token": token.id}
    intent = a_charge(client, **given)
    assert intent.status == "succeeded"
    assert client.v1.confirmation_tokens.retrieve(token.id).payment_intent == intent.id
    with pytest.raises(stripe.InvalidRequestError, match="used already"):
        a_charge(client, **given)


def test_away_nothing_is_set_up_for_later(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="setup_future_usage"):
        a_charge(client, setup_future_usage="off_session")
    assert a_charge(client, setup_future_usage="off_session", off_session=None).status == "succeeded"
