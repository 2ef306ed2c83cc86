"""What Stripe has and the simulator has not is said so: 501 in a response, and a table in the documentation."""

import re
from pathlib import Path

import pytest
import stripe

from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.simulator.api.endpoints.coverage import table
from payment_worker.simulator.api.endpoints.routes import ENDPOINTS, stripe_operations
from tests.simulator.builders import the_error

_CALL = re.compile(r'self\._request(?:_stream)?\(\s*"(get|post|delete)",\s*"(/v1/[^"]+)"')
_DOCUMENT = Path(__file__).parents[3] / "docs" / "simulator.md"


def _operations_of_the_sdk() -> set[tuple[str, str]]:
    services = Path(str(stripe.__file__)).parent.rglob("_*_service.py")
    calls = (call for path in services for call in _CALL.findall(path.read_text()))
    return {(method.upper(), re.sub(r"\{[^}]+\}", "{id}", path)) for method, path in calls}


def test_every_operation_of_the_pinned_sdk_is_known() -> None:
    operations = _operations_of_the_sdk()
    assert len(operations) > 500
    assert set(stripe_operations()) == operations


def test_nothing_is_built_that_stripe_has_not() -> None:
    assert {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS} <= set(stripe_operations())


def test_the_documentation_lists_what_is_built() -> None:
    assert table() in _DOCUMENT.read_text(), "run python -m payment_worker.simulator.api.endpoints.coverage"


def test_what_is_not_built_is_answered_with_501_and_a_sentence(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.APIError) as caught:
        client.v1.checkout.sessions.create({"mode": "setup"})
    assert caught.value.http_status == 501
    assert "POST /v1/checkout/sessions: Stripe has this, its simulator does not" in str(caught.value)
    assert the_error(caught.value)["code"] == "not_built"
    assert dict(caught.value.headers or {})["stripe-should-retry"] == "false"
    with pytest.raises(stripe.APIError, match="GET /v1/customers/cus_1/tax_ids"):
        client.v1.customers.tax_ids.list("cus_1")


def test_an_operation_that_is_not_built_is_counted_and_changes_nothing(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    with pytest.raises(stripe.APIError):
        client.v1.coupons.create({"percent_off": 10}, {"idempotency_key": "k"})
    (entry,) = simulator.journal()
    assert (entry["status"], entry["effect"], entry["endpoint"]) == (501, False, None)
