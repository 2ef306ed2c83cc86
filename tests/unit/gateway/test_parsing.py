"""Stripe's objects are read into our words, and nothing is guessed."""

import inspect
import re
from datetime import UTC, datetime

import pytest
import stripe

from payment_worker.domain.dispute import DisputeStatus
from payment_worker.domain.payment import PaymentTrigger
from payment_worker.domain.refund import RefundTrigger
from payment_worker.gateway.parsing import (
    PAYMENT_TRIGGERS,
    REFUND_TRIGGERS,
    UnreadableError,
    balance_transaction_in,
    balance_transaction_of,
    dispute_snapshot,
    payment_intent_snapshot,
    refund_snapshot,
)


def an_intent(status: str, **changes: object) -> dict[str, object]:
    return {"id": "pi_1", "status": status, "amount": 100, "currency": "eur", "metadata": {}, **changes}


def literals(kind: type[stripe.StripeObject]) -> set[str]:
    """The words that the SDK's annotation of a status names."""
    return set(re.findall(r"['\"]([a-z_]+)['\"]", str(kind.__annotations__["status"])))


def test_every_status_of_a_payment_intent_that_the_sdk_knows_is_read() -> None:
    assert literals(stripe.PaymentIntent) == set(PAYMENT_TRIGGERS)


def test_every_status_of_a_refund_that_the_sdk_knows_is_read() -> None:
    # Its annotation is any text: only the sentence below it names the words.
    assert literals(stripe.Refund) == set()
    told = re.search(r"Status of the refund\. This can be ([^.]*)\.", inspect.getsource(stripe.Refund))
    assert told
    assert set(re.findall(r"`(\w+)`", told[1])) == set(REFUND_TRIGGERS)


def test_every_status_of_a_dispute_that_the_sdk_knows_is_read() -> None:
    assert literals(stripe.Dispute) == {status.lower() for status in DisputeStatus}
    for status in literals(stripe.Dispute):
        seen = dispute_snapshot({"id": "dp_1", "status": status, "amount": 100, "currency": "eur"})
        assert seen.status == status.upper()


def test_a_demand_for_authentication_is_no_decline() -> None:
    error = {"code": "authentication_required", "decline_code": "authentication_required"}
    seen = payment_intent_snapshot(an_intent("requires_payment_method", last_payment_error=error))
    assert seen.trigger is PaymentTrigger.ACTION_REQUIRED


def test_success_that_does_not_say_how_much_is_all_of_it() -> None:
    assert payment_intent_snapshot(an_intent("succeeded")).amount_received == 100
    assert payment_intent_snapshot(an_intent("succeeded", amount_received=60)).amount_received == 60
    assert payment_intent_snapshot(an_intent("processing")).amount_received == 0


def test_an_intent_that_waits_for_its_first_method_says_nothing() -> None:
    assert (
        payment_intent_snapshot(an_intent("requires_payment_method", last_payment_error=None)).trigger is None
    )


def test_the_charge_is_read_from_an_id_and_from_the_object_itself() -> None:
    assert payment_intent_snapshot(an_intent("processing", latest_charge="ch_1")).stripe_charge_id == "ch_1"
    assert (
        payment_intent_snapshot(an_intent("processing", latest_charge={"id": "ch_1"})).stripe_charge_id
        == "ch_1"
    )


def test_what_has_another_shape_is_not_read_at_all() -> None:
    for unreadable in (
        {},
        {"id": "pi_1"},
        an_intent("requires_source"),
        an_intent("succeeded", currency=None),
    ):
        with pytest.raises(UnreadableError):
            payment_intent_snapshot(unreadable)
    with pytest.raises(UnreadableError):
        refund_snapshot({"id": "re_1", "status": "unheard of", "amount": 1, "currency": "eur"})


def test_a_refund_is_read_with_whose_it_is() -> None:
    seen = refund_snapshot(
        {
            "id": "re_1",
            "status": "succeeded",
            "amount": 5,
            "currency": "jpy",
            "metadata": {"refund_id": "ours"},
        }
    )
    assert (seen.trigger, seen.currency, seen.refund_id) == (RefundTrigger.SUCCEEDED, "JPY", "ours")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://hooks.stripe.com/3d_secure_2/pi_1", "https://hooks.stripe.com/3d_secure_2/pi_1"),
        ("https://hooks.stripe.com/x?payment_intent_client_secret=pi_1_secret_y", None),
        ("https://hooks.stripe.com/redirect/src_1?client_secret=src_client_secret_y", None),
        (None, None),
    ],
)
def test_an_address_with_a_secret_in_it_stays_at_stripe(url: str | None, told: str | None) -> None:
    step = {"type": "redirect_to_url", "redirect_to_url": {"return_url": "https://shop.example", "url": url}}
    assert payment_intent_snapshot(an_intent("requires_action", next_action=step)).action_url == told


def test_an_action_that_is_no_redirect_has_no_address() -> None:
    step = {"type": "use_stripe_sdk", "use_stripe_sdk": {"stripe_js": "https://hooks.stripe.com/1"}}
    assert payment_intent_snapshot(an_intent("requires_action", next_action=step)).action_url is None


def test_the_expiry_of_an_authorisation_is_read_from_the_charge() -> None:
    card = {"type": "card", "card": {"capture_before": 1_750_000_000}}
    charge = {"id": "ch_1", "payment_method_details": card}
    seen = payment_intent_snapshot(an_intent("requires_capture", latest_charge=charge))
    assert seen.capture_before == datetime.fromtimestamp(1_750_000_000, tz=UTC)
    for silent in ("ch_1", {"id": "ch_1"}, {"id": "ch_1", "payment_method_details": {"type": "card"}}):
        assert (
            payment_intent_snapshot(an_intent("requires_capture", latest_charge=silent)).capture_before
            is None
        )


def test_why_it_was_canceled_is_read() -> None:
    assert (
        payment_intent_snapshot(an_intent("canceled", cancellation_reason="automatic")).cancellation_reason
        == "automatic"
    )


def test_amounts_that_no_row_could_hold_together_are_unreadable() -> None:
    most = 2**63 - 1
    assert (
        payment_intent_snapshot(an_intent("requires_capture", amount_capturable=most)).amount_capturable
        == most
    )
    with pytest.raises(UnreadableError):
        payment_intent_snapshot(an_intent("requires_capture", amount_capturable=most, amount_received=1))


@pytest.mark.parametrize(
    "changes",
    [{"fee": 2**63}, {"net": "4825"}, {"currency": None}, {"id": ""}, {"created": 0}, {"exchange_rate": "?"}],
    ids=str,
)
def test_a_fee_that_no_row_could_hold_is_unreadable(changes: dict[str, object]) -> None:
    booked: dict[str, object] = {
        "id": "txn_1",
        "type": "charge",
        "status": "pending",
        "amount": 5000,
        "fee": 175,
        "net": 4825,
        "currency": "eur",
        "available_on": 1_800_000_000,
        "created": 1_790_000_000,
    }
    assert balance_transaction_of(booked).net == 4825
    charge = {"id": "ch_1", "balance_transaction": {**booked, **changes}}
    with pytest.raises(UnreadableError):
        balance_transaction_in(an_intent("succeeded", latest_charge=charge))
