"""What we ask of Stripe is what its SDK's own types allow, nested fields too."""

import json
from uuid import UUID

from stripe.params import PaymentIntentCreateParams, RefundCreateParams

from payment_worker.gateway.requests import charge_request, refund_request
from tests.simulator.shapes import request_faults

OURS = UUID("00000000-0000-4000-8000-000000000001")


def test_a_charge_with_everything_is_a_request_that_stripe_knows() -> None:
    asked = charge_request(
        payment_id=OURS,
        order_id=OURS,
        amount=1099,
        currency="EUR",
        payment_method="pm_card_visa",
        capture_method="manual",
        stripe_customer="cus_1",
        description="Two books",
        statement_descriptor_suffix="BOOKS",
        metadata={"cart": "7"},
    )
    parameters = json.loads(asked.parameters)
    assert request_faults(parameters, PaymentIntentCreateParams) == []
    assert parameters["metadata"] == {"cart": "7", "order_id": str(OURS), "payment_id": str(OURS)}
    assert parameters["currency"] == "eur"


def test_a_refund_is_a_request_that_stripe_knows() -> None:
    asked = refund_request(
        refund_id=OURS, payment_id=OURS, stripe_payment_intent_id="pi_1", amount=5, reason="duplicate"
    )
    assert request_faults(json.loads(asked.parameters), RefundCreateParams) == []


def test_what_was_not_given_is_not_sent() -> None:
    asked = refund_request(
        refund_id=OURS, payment_id=OURS, stripe_payment_intent_id="pi_1", amount=5, reason=None
    )
    assert "reason" not in json.loads(asked.parameters)


def test_metadata_cannot_pose_as_another_payment() -> None:
    asked = charge_request(
        payment_id=OURS,
        order_id=OURS,
        amount=1,
        currency="EUR",
        payment_method="pm_card_visa",
        capture_method="automatic",
        metadata={"payment_id": "somebody else's"},
    )
    assert json.loads(asked.parameters)["metadata"]["payment_id"] == str(OURS)
