"""One ordinary thing of each kind, of which a test replaces what matters."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import stripe


@contextmanager
def a_client(
    url: str, *, timeout_seconds: float, account: str | None = None, api_key: str = "sk_test_simulator"
) -> Iterator[stripe.StripeClient]:
    """A client of the simulator at that address, its connections closed at the end."""
    http_client: Any = stripe.RequestsClient(timeout=timeout_seconds)
    yield stripe.StripeClient(
        api_key,
        base_addresses={"api": url},
        http_client=http_client,
        max_network_retries=0,
        stripe_account=account,
    )
    http_client.close()


def charge_params(**replaced: Any) -> Any:  # noqa: ANN401 - the SDK's TypedDicts are for literals
    """Parameters of an off-session charge of 10.99 USD. None takes a parameter away."""
    params: dict[str, Any] = {
        "amount": 1099,
        "currency": "usd",
        "payment_method": "pm_card_visa",
        "confirm": True,
        "off_session": True,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        **replaced,
    }
    return {name: value for name, value in params.items() if value is not None}


def a_charge(client: stripe.StripeClient, key: str | None = None, **replaced: Any) -> stripe.PaymentIntent:  # noqa: ANN401
    """Charge, under a key if one is given."""
    options: Any = {} if key is None else {"idempotency_key": key}
    return client.v1.payment_intents.create(charge_params(**replaced), options)


def a_decline(client: stripe.StripeClient, method: str, **replaced: Any) -> stripe.CardError:  # noqa: ANN401
    """Charge a method that is declined; the error."""
    try:
        a_charge(client, payment_method=method, **replaced)
    except stripe.CardError as error:
        return error
    raise AssertionError(f"{method} was not declined")


def the_error(error: stripe.StripeError) -> dict[str, Any]:
    """The `error` object of an answer."""
    body: Any = error.json_body
    return dict(body["error"])


def the_body(answer: stripe.StripeObject) -> dict[str, Any]:
    """What came over the wire."""
    response: Any = answer.last_response
    body: dict[str, Any] = json.loads(response.body)
    return body


def a_refund(client: stripe.StripeClient, intent: stripe.PaymentIntent, **more: Any) -> stripe.Refund:  # noqa: ANN401
    """Refund a charge, all of it unless an amount is given."""
    params: Any = {"payment_intent": intent.id, **more}
    return client.v1.refunds.create(params)


def charge_of(client: stripe.StripeClient, intent: stripe.PaymentIntent) -> stripe.Charge:
    """The latest charge of a PaymentIntent, as it is now."""
    latest = client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]}).latest_charge
    assert isinstance(latest, stripe.Charge)
    return latest


def event_types(client: stripe.StripeClient, **filters: Any) -> list[str]:  # noqa: ANN401
    """The types of all events, oldest first."""
    params: Any = {"limit": 100, **filters}
    return [event.type for event in reversed(client.v1.events.list(params).data)]
