"""The balance is the sum of all balance transactions' nets, and payouts send what is available to the bank."""

from typing import Any

import pytest
import stripe

from payment_worker.devstack.servers.simulator import Simulator, SimulatorError
from tests.simulator.api.shapes import answer_faults
from tests.simulator.builders import a_charge, a_refund, event_types, the_body, the_error

_DAY = 86_400
_NET = 1099 - 62


def _transactions(client: stripe.StripeClient, **filters: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    params: Any = {"limit": 100, **filters}
    listed: list[dict[str, Any]] = the_body(client.v1.balance_transactions.list(params))["data"]
    return listed


def _balance(client: stripe.StripeClient, currency: str = "usd") -> tuple[int, int]:
    """What is pending and what is available."""
    body = the_body(client.v1.balance.retrieve())
    pending, available = (
        sum(part["amount"] for part in body[name] if part["currency"] == currency)
        for name in ("pending", "available")
    )
    return pending, available


def _everything_happens(client: stripe.StripeClient, simulator: Simulator) -> None:
    for method in ("pm_card_visa", "pm_card_pendingRefund", "pm_card_refundFail"):
        a_refund(client, a_charge(client, payment_method=method), amount=300)
    for status in ("won", "lost"):
        dispute = simulator.post("disputes", {"payment_intent": a_charge(client).id})
        simulator.post(f"disputes/{dispute['id']}/close", {"status": status})
    for method in ("pm_usBankAccount_success", "pm_usBankAccount_insufficientFunds"):
        a_charge(client, payment_method=method)
    simulator.advance(10)
    bank_payments = client.v1.charges.list({"limit": 2}).data
    paid = next(charge for charge in bank_payments if charge.paid)
    client.v1.refunds.create({"charge": paid.id, "amount": 100})
    for _ in range(20):
        a_charge(client, currency="eur", amount=5000)


def test_the_balance_is_the_sum_of_all_nets_at_every_time(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    simulator.post("settings", {"payout_interval_seconds": _DAY})
    _everything_happens(client, simulator)
    simulator.advance(60)  # else what is due within seconds happens between two of the requests below
    for _ in range(8):
        for currency in ("usd", "eur"):
            nets = [txn for txn in _transactions(client) if txn["currency"] == currency]
            pending, available = _balance(client, currency)
            assert pending + available == sum(txn["net"] for txn in nets)
            assert pending == sum(txn["net"] for txn in nets if txn["status"] == "pending")
            assert all(txn["net"] == txn["amount"] - txn["fee"] for txn in nets)
            assert all(txn["fee"] == sum(fee["amount"] for fee in txn["fee_details"]) for txn in nets)
        simulator.advance(_DAY / 2)
    assert _balance(client, "eur") == (0, 0)


def test_every_transaction_has_its_type_and_reporting_category(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    simulator.post("settings", {"payout_interval_seconds": _DAY})
    _everything_happens(client, simulator)
    simulator.advance(3 * _DAY)
    for payout in client.v1.payouts.list().data:
        simulator.post(f"payouts/{payout.id}/fail")
    records = _transactions(client)
    assert [fault for record in records for fault in answer_faults(record, stripe.BalanceTransaction)] == []
    assert {(record["type"], record["reporting_category"]) for record in records} == {
        ("adjustment", "dispute"),
        ("adjustment", "dispute_reversal"),
        ("charge", "charge"),
        ("payment", "charge"),
        ("payment_refund", "refund"),
        ("payout", "payout"),
        ("payout_failure", "payout_reversal"),
        ("refund", "refund"),
        ("refund_failure", "refund_failure"),
    }


def test_income_becomes_available_after_two_days(client: stripe.StripeClient, simulator: Simulator) -> None:
    a_charge(client, capture_method="automatic")
    assert _balance(client) == (_NET, 0)
    (record,) = _transactions(client)
    assert (record["status"], record["available_on"] - record["created"]) == ("pending", 2 * _DAY)
    simulator.advance(2 * _DAY)
    assert _balance(client) == (0, _NET)
    assert _transactions(client)[0]["status"] == "available"


def test_an_automatic_payout_lists_its_transactions(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    simulator.post("settings", {"payout_interval_seconds": _DAY})
    a_refund(client, a_charge(client), amount=100)
    a_charge(client)
    simulator.advance(3 * _DAY + 2)
    (payout,) = client.v1.payouts.list().data
    assert (payout.automatic, payout.amount, payout.status) == (True, 2 * _NET - 100, "pending")
    assert answer_faults(the_body(client.v1.payouts.retrieve(payout.id)), stripe.Payout) == []
    members = _transactions(client, payout=payout.id)
    assert sorted(record["type"] for record in members) == ["charge", "charge", "payout", "refund"]
    assert sum(record["net"] for record in members) == 0
    simulator.advance(_DAY)
    assert client.v1.payouts.retrieve(payout.id).status == "paid"
    assert event_types(client, type="payout.*") == [
        "payout.created",
        "payout.reconciliation_completed",
        "payout.updated",
        "payout.paid",
    ]


def test_a_failed_payout_is_in_the_next_one(client: stripe.StripeClient, simulator: Simulator) -> None:
    simulator.post("settings", {"payout_interval_seconds": _DAY})
    a_charge(client, capture_method="automatic")
    simulator.advance(4 * _DAY)
    (payout,) = client.v1.payouts.list().data
    assert payout.status == "paid"
    failed = simulator.post(f"payouts/{payout.id}/fail", {"failure_code": "no_account"})
    assert (failed["status"], failed["failure_code"]) == ("failed", "no_account")
    assert _balance(client) == (0, _NET)
    simulator.advance(_DAY)
    again = client.v1.payouts.list().data[0]
    assert (again.amount, again.id != payout.id) == (_NET, True)
    assert [record["type"] for record in _transactions(client, payout=again.id)] == [
        "payout",
        "payout_failure",
    ]
    with pytest.raises(SimulatorError, match="400"):
        simulator.post(f"payouts/{payout.id}/fail")


def test_a_payout_by_request_takes_no_more_than_is_available(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    a_charge(client, capture_method="automatic")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payouts.create({"amount": 1, "currency": "usd"})
    assert the_error(refused.value)["code"] == "balance_insufficient"
    simulator.advance(2 * _DAY)
    payout = client.v1.payouts.create({"amount": 1000, "currency": "usd", "metadata": {"a": "b"}})
    assert answer_faults(the_body(payout), stripe.Payout) == []
    assert _balance(client) == (0, _NET - 1000)
    with pytest.raises(stripe.InvalidRequestError, match="automatic"):
        client.v1.balance_transactions.list({"payout": payout.id})
    assert client.v1.payouts.cancel(payout.id).status == "canceled"
    assert _balance(client) == (0, _NET)


def test_what_is_available_can_be_paid_out_now(client: stripe.StripeClient, simulator: Simulator) -> None:
    a_charge(client, capture_method="automatic")
    assert simulator.post("payouts")["payouts"] == []
    simulator.advance(2 * _DAY)
    (made,) = simulator.post("payouts")["payouts"]
    assert simulator.post(f"payouts/{made['id']}/arrive")["status"] == "paid"


def test_any_movement_can_be_added(client: stripe.StripeClient, simulator: Simulator) -> None:
    made = simulator.post(
        "balance_transactions", {"type": "of_next_year", "amount": -500, "created": 1_000_000_000}
    )
    assert _transactions(client) == [made]
    assert (made["created"], made["net"], made["source"]) == (1_000_000_000, -500, None)
    assert _balance(client) == (0, -500)
    for wrong in ({"amount": 1}, {"type": "topup"}, {"type": "topup", "amount": "1"}, {"kind": "topup"}):
        with pytest.raises(SimulatorError, match="400"):
            simulator.post("balance_transactions", wrong)


def test_another_currency_settles_at_its_rate(client: stripe.StripeClient, simulator: Simulator) -> None:
    simulator.post("exchange", {"currency": "eur", "settles_in": "usd", "rate": 1.1})
    charge = a_charge(client, currency="eur", amount=1000, capture_method="automatic")
    a_refund(client, charge, amount=500)
    listed = client.v1.balance_transactions.list({"expand": ["data.source"]})
    refund, taken = the_body(listed)["data"]
    assert [answer_faults(each, stripe.BalanceTransaction) for each in (refund, taken)] == [[], []]
    assert (taken["amount"], taken["fee"], taken["currency"], taken["exchange_rate"]) == (
        1100,
        65,
        "usd",
        1.1,
    )
    assert (refund["amount"], refund["source"]["amount"], refund["source"]["currency"]) == (-550, 500, "eur")
    assert _balance(client, "usd") == (1100 - 65, -550)
    simulator.post("exchange", {"currency": "eur", "settles_in": None})
    a_charge(client, currency="eur", amount=1000, capture_method="automatic")
    assert _balance(client, "eur")[0] > 0
