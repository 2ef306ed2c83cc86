"""What we ask of Stripe is what its SDK's own types allow, nested fields too."""

import json
from uuid import UUID

import pytest
from stripe.params import (
    PaymentIntentCancelParams,
    PaymentIntentCaptureParams,
    PaymentIntentConfirmParams,
    PaymentIntentCreateParams,
    RefundCreateParams,
)

from payment_worker.gateway.requests import (
    cancel_request,
    capture_request,
    charge_request,
    refund_request,
    retry_request,
)
from tests.simulator.api.shapes import request_faults

OURS = UUID("00000000-0000-4000-8000-000000000001")


def test_a_charge_with_everything_is_a_request_that_stripe_knows() -> None:
    asked = charge_request(
        payment_id=OURS,
        order_id=str(OURS),
        amount=1099,
        currency="EUR",
        payment_method="pm_card_visa",
        capture_method="manual",
        stripe_customer="cus_1",
        passed_on={
            "description": "Two books",
            "statement_descriptor_suffix": "BOOKS",
            "application_fee_amount": 100,
            "on_behalf_of": "acct_1",
            "transfer_data": {"destination": "acct_1", "amount": 900},
            "transfer_group": "order 7",
            "receipt_email": "a@example.com",
            "return_url": "https://shop.example/done",
            "confirmation_token": "ctoken_1",
            "setup_future_usage": "off_session",
            "mandate": "mandate_1",
            "mandate_data": {
                "customer_acceptance": {
                    "type": "online",
                    "accepted_at": 1,
                    "online": {"ip_address": "127.0.0.1", "user_agent": "a"},
                }
            },
        },
        metadata={"cart": "7"},
        mac="v1:7",
    )
    parameters = json.loads(asked.parameters)
    assert request_faults(parameters, PaymentIntentCreateParams) == []
    assert parameters["metadata"] == {
        "cart": "7",
        "order_id": str(OURS),
        "payment_id": str(OURS),
        "payment_worker_mac": "v1:7",
    }
    assert parameters["currency"] == "eur"


def test_a_refund_is_a_request_that_stripe_knows() -> None:
    asked = refund_request(
        refund_id=OURS,
        payment_id=OURS,
        stripe_payment_intent_id="pi_1",
        amount=5,
        reason="duplicate",
        reverse_transfer=True,
        refund_application_fee=True,
        mac="v1:7",
    )
    assert request_faults(json.loads(asked.parameters), RefundCreateParams) == []


def test_what_was_not_given_is_not_sent() -> None:
    asked = refund_request(
        refund_id=OURS, payment_id=OURS, stripe_payment_intent_id="pi_1", amount=5, reason=None, mac="v1:7"
    )
    assert "reason" not in json.loads(asked.parameters)


def test_metadata_cannot_pose_as_another_payment() -> None:
    asked = charge_request(
        payment_id=OURS,
        order_id=str(OURS),
        amount=1,
        currency="EUR",
        payment_method="pm_card_visa",
        capture_method="automatic",
        metadata={"payment_id": "somebody else's"},
        mac="v1:7",
    )
    assert json.loads(asked.parameters)["metadata"]["payment_id"] == str(OURS)


def test_a_capture_is_a_request_that_stripe_knows_and_names_its_amount() -> None:
    asked = capture_request(stripe_payment_intent_id="pi_1", amount=5)
    assert asked.path == "/v1/payment_intents/pi_1/capture"
    assert request_faults(json.loads(asked.parameters), PaymentIntentCaptureParams) == []
    assert json.loads(asked.parameters) == {"amount_to_capture": 5}


@pytest.mark.parametrize(
    ("reason", "told"),
    [("duplicate", {"cancellation_reason": "duplicate"}), ("out of stock", {}), (None, {})],
)
def test_a_cancellation_sends_stripe_only_reasons_that_stripe_has(
    reason: str | None, told: dict[str, str]
) -> None:
    asked = cancel_request(stripe_payment_intent_id="pi_1", reason=reason)
    assert asked.path == "/v1/payment_intents/pi_1/cancel"
    assert request_faults(json.loads(asked.parameters), PaymentIntentCancelParams) == []
    assert json.loads(asked.parameters) == told


def test_another_try_is_a_request_that_stripe_knows() -> None:
    before = {"payment_method": "pm_2", "off_session": True, "mandate": "mandate_1"}
    asked = retry_request(stripe_payment_intent_id="pi_1", payment_method="pm_2", last_confirmation=before)
    assert asked.path == "/v1/payment_intents/pi_1/confirm"
    assert request_faults(json.loads(asked.parameters), PaymentIntentConfirmParams) == []


def test_another_try_is_made_as_the_one_before_but_with_a_mandate_of_its_own() -> None:
    before = {"payment_method": "pm_1", "mandate": "mandate_1"}
    same, other = (
        json.loads(
            retry_request(
                stripe_payment_intent_id="pi_1", payment_method=method, last_confirmation=before
            ).parameters
        )
        for method in ("pm_1", "pm_2")
    )
    assert same == {"payment_method": "pm_1", "mandate": "mandate_1", "expand": ["latest_charge"]}
    assert other == {"payment_method": "pm_2", "expand": ["latest_charge"]}
