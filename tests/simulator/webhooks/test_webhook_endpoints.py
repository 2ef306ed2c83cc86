"""An endpoint made through the API gets its account's events, signed with its own secret, until it is removed."""

import pytest
import stripe

from payment_worker.devstack.servers.simulator import Simulator
from tests.simulator.api.shapes import answer_faults
from tests.simulator.builders import a_charge, a_client, the_body
from tests.simulator.webhooks.receiver import Receiver


def test_an_endpoint_gets_the_events_it_asked_for(
    client: stripe.StripeClient, simulator: Simulator, receiver: Receiver
) -> None:
    made = client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["charge.succeeded"]})
    assert answer_faults(the_body(made), stripe.WebhookEndpoint) == []
    a_charge(client)
    simulator.post("webhooks/settle")
    assert receiver.types(str(made.secret)) == ["charge.succeeded"]


def test_an_endpoint_gets_no_other_account_s_or_mode_s_events(
    client: stripe.StripeClient, simulator: Simulator, receiver: Receiver
) -> None:
    client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})
    for key, account in (
        ("sk_live_simulator", None),
        ("sk_test_51OtherPlatform001", None),
        ("sk_test_simulator", "acct_connected"),
    ):
        with a_client(simulator.url, timeout_seconds=10, api_key=key, account=account) as other:
            a_charge(other)
            assert other.v1.webhook_endpoints.list().data == []
    simulator.post("webhooks/settle")
    assert receiver.received == []


def test_a_connect_endpoint_gets_the_events_of_connected_accounts(
    client: stripe.StripeClient, simulator: Simulator, receiver: Receiver
) -> None:
    made = client.v1.webhook_endpoints.create(
        {"url": receiver.url, "enabled_events": ["payment_intent.succeeded"], "connect": True}
    )
    a_charge(client)
    with a_client(simulator.url, timeout_seconds=10, account="acct_connected") as connected:
        a_charge(connected)
    simulator.post("webhooks/settle")
    assert [delivery.event(str(made.secret)).account for delivery in receiver.received] == ["acct_connected"]


def test_an_endpoint_is_changed_disabled_and_removed(
    client: stripe.StripeClient, simulator: Simulator, receiver: Receiver
) -> None:
    made = client.v1.webhook_endpoints.create({"url": "https://example.com", "enabled_events": ["*"]})
    changed = client.v1.webhook_endpoints.update(made.id, {"url": receiver.url, "disabled": True})
    assert (changed.url, changed.status, "secret" in the_body(changed)) == (receiver.url, "disabled", False)
    a_charge(client)
    assert [found.id for found in client.v1.webhook_endpoints.list().data] == [made.id]
    assert client.v1.webhook_endpoints.delete(made.id).deleted
    a_charge(client)
    simulator.post("webhooks/settle")
    assert receiver.received == []
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.webhook_endpoints.retrieve(made.id)
    assert caught.value.http_status == 404


def test_an_endpoint_needs_an_address(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.webhook_endpoints.create({"url": "ftp://x", "enabled_events": ["*"]})
