"""`payment-worker webhook-endpoint` creates the endpoint with just what the worker uses, and says what differs."""

import json

import pytest

from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.flows.events.event_types import SUBJECTS
from payment_worker.gateway.webhook import PINNED_VERSION
from tests.cli.conftest import Run

URL = "https://shop.example/webhooks/stripe"


@pytest.fixture(autouse=True)
def _no_endpoints(simulator: Simulator) -> None:
    simulator.post("reset", {"endpoints": True})


def test_what_it_creates_is_as_it_should_be_and_is_created_once(run: Run, simulator: Simulator) -> None:
    assert run("webhook-endpoint", "check").status == 1
    made = run("webhook-endpoint", "create", URL)
    assert (made.status, made.out.startswith("whsec_")) == (0, True)
    assert "STRIPE_WEBHOOK_SECRET" in made.err
    checked = run("webhook-endpoint", "check", "--json")
    (endpoint,) = json.loads(checked.out)
    assert (checked.status, endpoint["differences"], endpoint["url"]) == (0, [], URL)
    assert (set(endpoint["events"]), endpoint["api_version"]) == (set(SUBJECTS), PINNED_VERSION)
    assert run("webhook-endpoint", "create", URL).status == 1
    assert len(simulator.get("webhooks")["endpoints"]) == 1


def test_each_account_has_an_endpoint_of_its_own(run: Run) -> None:
    settings = {"STRIPE_API_KEYS": "eu=sk_test_51EuropeanAccountKey"}
    made = run("webhook-endpoint", "create", URL, "--account", "eu", settings=settings)
    assert (made.status, "eu=whsec_" in made.err) == (0, True)
    assert run("webhook-endpoint", "check", "--account", "eu", settings=settings).status == 0
    assert run("webhook-endpoint", "check", settings=settings).status == 1
    unknown = run("webhook-endpoint", "check", "--account", "jp", settings=settings)
    assert (unknown.status, "no account jp" in unknown.err) == (2, True)


def test_every_difference_is_said(run: Run, simulator: Simulator) -> None:
    run("webhook-endpoint", "create", URL)
    (endpoint,) = simulator.get("webhooks")["endpoints"]
    changed = {"types": ["refund.created", "invoice.paid"], "api_version": None, "enabled": False}
    simulator.post(f"webhooks/endpoints/{endpoint['id']}", changed)
    ran = run("webhook-endpoint", "check", "--url", URL)
    assert ran.status == 1
    for part in (
        "is disabled",
        "it lacks balance.available, charge.dispute.closed",
        "has invoice.paid",
        "the account's default",
    ):
        assert part in ran.out


def test_doctor_says_when_it_differs(run: Run, simulator: Simulator) -> None:
    run("webhook-endpoint", "create", URL)
    assert "webhook endpoint" not in run("doctor").out
    (endpoint,) = simulator.get("webhooks")["endpoints"]
    simulator.post(f"webhooks/endpoints/{endpoint['id']}", {"types": ["refund.created"]})
    checks = {each["name"]: each for each in json.loads(run("doctor", "--json").out)["checks"]}
    assert checks["webhook endpoint"]["verdict"] == "note"
