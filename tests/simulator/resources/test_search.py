"""Search finds what Stripe's query language asks for, a little after it was made."""

from collections.abc import Callable

import pytest
import stripe

from payment_worker.devstack.servers.simulator import Simulator
from tests.simulator.builders import a_charge, a_decline, a_refund


@pytest.fixture
def found(client: stripe.StripeClient, simulator: Simulator) -> Callable[[str], set[int]]:
    """The amounts of the PaymentIntents that a query finds."""
    customer = client.v1.customers.create({})
    a_charge(client, amount=1000, metadata={"order": "A-1", "shop": "north"})
    a_charge(client, amount=2000, metadata={"order": 'quoted "2"'}, customer=customer.id)
    a_charge(client, amount=3000, currency="eur")
    a_decline(client, "pm_card_visa_chargeDeclined", amount=4000)
    simulator.advance(2)

    def search(query: str) -> set[int]:
        query = query.replace("CUSTOMER", customer.id)
        return {intent.amount for intent in client.v1.payment_intents.search({"query": query}).data}

    return search


@pytest.mark.parametrize(
    ("query", "amounts"),
    [
        ('status:"succeeded"', {1000, 2000, 3000}),
        ('-status:"succeeded"', {4000}),
        ("currency:'EUR'", {3000}),
        ("amount>1000 AND amount<=3000", {2000, 3000}),
        ("amount>=3000 status:'succeeded'", {3000}),
        ("amount:1000 OR amount:4000", {1000, 4000}),
        ('metadata["order"]:"A-1"', {1000}),
        ('metadata["order"]~"a-1"', {1000}),
        (r'metadata["order"]:"quoted \"2\""', {2000}),
        ('metadata["order"]:null', {3000, 4000}),
        ('-metadata["order"]:null AND currency:"usd"', {1000, 2000}),
        ('customer:"CUSTOMER"', {2000}),
        ("created>0 AND created<10", set()),
    ],
)
def test_a_query_finds(found: Callable[[str], set[int]], query: str, amounts: set[int]) -> None:
    assert found(query) == amounts


@pytest.mark.parametrize(
    "query",
    [
        " ",
        "status",
        'colour:"red"',
        'metadata:"x"',
        'status["x"]:"y"',
        'status>"x"',
        "amount:1 AND amount:2 OR amount:3",
        'metadata["order"]~"ab"',
        'status:"open',
    ],
)
def test_a_query_that_cannot_be_read_is_an_error(client: stripe.StripeClient, query: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.payment_intents.search({"query": query})
    assert caught.value.param == "query"


def test_what_was_just_made_is_not_found_yet(client: stripe.StripeClient, simulator: Simulator) -> None:
    simulator.post("settings", {"search_lag_seconds": 3600})
    intent = a_charge(client)
    assert client.v1.payment_intents.search({"query": 'currency:"usd"'}).data == []
    assert client.v1.payment_intents.list().data
    simulator.advance(3600)
    assert [found.id for found in client.v1.payment_intents.search({"query": "amount>0"}).data] == [intent.id]


def test_charges_and_customers_are_searched_by_their_own_fields(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    client.v1.customers.create({"email": "ann@example.com", "name": "Ann"})
    client.v1.customers.create({"email": "bob@example.com"})
    a_refund(client, a_charge(client))
    a_charge(client, payment_method="pm_card_mastercard")
    simulator.advance(2)
    brand = "payment_method_details.card.brand:'mastercard'"
    assert len(client.v1.charges.search({"query": brand}).data) == 1
    assert [found.refunded for found in client.v1.charges.search({"query": "refunded:'true'"}).data] == [True]
    customers = client.v1.customers.search({"query": "email~'ann@' AND name:'ann'"}).data
    assert [customer.email for customer in customers] == ["ann@example.com"]


def test_pages_have_no_gaps(client: stripe.StripeClient, simulator: Simulator) -> None:
    made = [a_charge(client).id for _ in range(5)]
    simulator.advance(2)
    first = client.v1.payment_intents.search({"query": "amount>0", "limit": 2})
    assert (first.has_more, len(first.data)) == (True, 2)
    assert [found.id for found in first.auto_paging_iter()] == made[::-1]
    expanded = client.v1.payment_intents.search({"query": "amount>0", "expand": ["data.latest_charge"]})
    assert all(isinstance(found.latest_charge, stripe.Charge) for found in expanded.data)
