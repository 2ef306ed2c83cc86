"""A customer's order is charged or declined, and a refund arrives: at Stripe's simulator, through a real worker."""

from consumer import handle
from django.db import connection
from shop.charges import place_order, refund


def _record_outcome(worker, kind, payment_id):
    """Wait for an outcome, and give it to the function that the shop's consumer calls."""
    message = worker.wait_for_message(kind, payment_id)
    with connection.cursor() as cursor:
        handle(cursor, message)
    return message["data"]


def _charge(payment_method):
    return place_order(amount=1099, currency="EUR", payment_method=payment_method).charge_set.get()


def test_an_order_is_charged_once(worker, stripe_simulator):
    charge = _charge("pm_card_visa")

    _record_outcome(worker, "PaymentSucceeded", charge.pk)

    charge.refresh_from_db()
    assert charge.outcome == "PaymentSucceeded"
    (payment_intent,) = stripe_simulator.ledger()["payment_intents"]
    assert (payment_intent["captured"], payment_intent["effects"]) == (1099, 1)


def test_a_card_without_funds_is_declined(worker, stripe_simulator):
    charge = _charge("pm_card_visa_chargeDeclinedInsufficientFunds")

    declined = _record_outcome(worker, "PaymentFailed", charge.pk)

    charge.refresh_from_db()
    assert (charge.outcome, declined["declineCode"]) == ("PaymentFailed", "insufficient_funds")
    (payment_intent,) = stripe_simulator.ledger()["payment_intents"]
    assert payment_intent["captured"] == 0


def test_a_part_is_refunded(worker, stripe_simulator):
    charge = _charge("pm_card_visa")
    _record_outcome(worker, "PaymentSucceeded", charge.pk)

    asked = refund(charge, amount=500)
    _record_outcome(worker, "RefundProcessed", charge.pk)

    asked.refresh_from_db()
    assert asked.outcome == "RefundProcessed"
    (payment_intent,) = stripe_simulator.ledger()["payment_intents"]
    assert (payment_intent["captured"], payment_intent["refunded"]) == (1099, 500)
