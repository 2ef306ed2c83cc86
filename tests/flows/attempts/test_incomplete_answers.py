"""What stands in for Stripe may say less than Stripe: what it does say still comes to an outcome."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import pytest

from payment_worker import bootstrap
from payment_worker.contracts.requests import CaptureRequest, ChargeRequest, RefundRequest, parse
from payment_worker.flows.commands.capture import capture
from payment_worker.flows.commands.charge import charge
from payment_worker.flows.commands.refund import refund
from payment_worker.flows.context import Context
from payment_worker.flows.result import CommandResult
from payment_worker.gateway.account.key_owner import ApiKey
from payment_worker.gateway.client import Gateway
from payment_worker.gateway.rate_limit.limiter import RateLimiter
from payment_worker.gateway.webhook import event_of
from payment_worker.redis.client import redis_client
from payment_worker.settings import Settings
from tests.flows.scene import Scene
from tests.harness.rows import Rows

At = Callable[[str], Context]

INTENT = {"id": "pi_1", "object": "payment_intent"}
PAYMENT = (
    "SELECT status, amount_captured, failure_reason, decline_code, stripe_payment_intent_id FROM payment"
)
DAY = 86_400
POOR = {"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds"}


@contextmanager
def terse(*answers: tuple[int, dict[str, Any]]) -> Iterator[str]:
    """Something that gives these answers to POSTs, one after the other; its URL."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = left.pop(0)
            told = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def at(context: Context, environment: dict[str, str]) -> At:
    """The world, with whatever is at this URL in Stripe's place."""
    settings = Settings.from_environment(environment)
    rate_limiter = RateLimiter(
        redis_client(environment["REDIS_URL"], timeout_seconds=1), bootstrap.limits(settings)
    )
    return lambda url: replace(
        context,
        stripe=Gateway(
            api_keys={"": ApiKey("sk_test_terse")},
            api_base=url,
            timeout_seconds=10,
            rate_limiter=rate_limiter,
        ),
    )


def charged(context: Context, **changes: object) -> str:
    asked = {
        "payment_id": str(uuid4()),
        "order_id": str(uuid4()),
        "amount": 1099,
        "currency": "EUR",
        "payment_method": "pm_card_visa",
        **changes,
    }
    assert isinstance(charge(context, parse(ChargeRequest, asked)), CommandResult)
    return str(asked["payment_id"])


def test_a_success_that_repeats_nothing_is_one(at: At, rows: Rows) -> None:
    with terse((200, {**INTENT, "status": "succeeded"})) as url:
        charged(at(url))
    assert rows.one(PAYMENT) == {
        "status": "SUCCEEDED",
        "amount_captured": 1099,
        "failure_reason": None,
        "decline_code": None,
        "stripe_payment_intent_id": "pi_1",
    }


def test_a_capture_takes_what_was_asked_for(at: At, rows: Rows) -> None:
    held = {**INTENT, "status": "requires_capture", "amount_capturable": 1099}
    taken = {**INTENT, "status": "succeeded", "amount": 1099, "currency": "eur"}
    with terse((200, held), (200, taken)) as url:
        payment_id = charged(at(url), capture_method="manual")
        request = parse(CaptureRequest, {"payment_id": payment_id, "amount": 600})
        capture(at(url), request, message_id=uuid4(), wait_if_busy=False)
    assert rows.one("SELECT status, amount_captured FROM payment") == {
        "status": "SUCCEEDED",
        "amount_captured": 600,
    }


def test_a_refund_that_does_not_repeat_its_amount_is_one(at: At, rows: Rows) -> None:
    made = {"id": "re_1", "object": "refund", "status": "succeeded", "currency": "eur"}
    with terse((200, {**INTENT, "status": "succeeded"}), (200, made)) as url:
        payment_id = charged(at(url))
        request = parse(RefundRequest, {"refund_id": str(uuid4()), "payment_id": payment_id, "amount": 500})
        refund(at(url), request)
    assert rows.one("SELECT status, amount FROM refund") == {"status": "PROCESSED", "amount": 500}


@pytest.mark.parametrize(
    ("intent", "known"),
    [
        ({**INTENT, "status": "requires_payment_method"}, None),
        ({**INTENT, "status": "requires_payment_method", "amount": 1099, "currency": "eur"}, "pi_1"),
    ],
    ids=["that does not say what it is about", "that does not say why"],
)
def test_a_decline_beside_a_payment_intent_is_one(
    at: At, rows: Rows, intent: dict[str, Any], known: str | None
) -> None:
    with terse((402, {"error": {**POOR, "payment_intent": intent}})) as url:
        charged(at(url))
    assert rows.one(PAYMENT) == {
        "status": "FAILED",
        "amount_captured": 0,
        "failure_reason": "INSUFFICIENT_FUNDS",
        "decline_code": "insufficient_funds",
        "stripe_payment_intent_id": known,
    }


@pytest.mark.parametrize(("later", "status"), [(0, "SUCCEEDED"), (DAY, "FAILED")])
def test_the_key_of_a_decline_that_showed_nothing_proves_what_was_made_while_stripe_knew_it(
    at: At, scene: Scene, rows: Rows, later: int, status: str
) -> None:
    with terse((402, {"error": POOR})) as url:
        payment_id = UUID(charged(at(url)))
    scene.advance(later)
    fields = {"amount": "1099", "currency": "eur", "payment_method": "pm_card_visa"}
    made = scene.as_by_attempt(payment_id, {**fields, "confirm": "true", "off_session": "true"})
    scene.deliver(scene.events())
    assert rows.one(PAYMENT)["status"] == status
    found = rows("SELECT kind, object_id AS id FROM reconciliation_finding")
    assert found == ([{"kind": "unverified_metadata", "id": made["id"]}] if later else [])


def test_a_success_that_took_nothing_contradicts_itself(at: At, rows: Rows) -> None:
    with terse((200, {**INTENT, "status": "succeeded", "amount_received": 0})) as url:
        charged(at(url))
    assert rows.one("SELECT status, unknown_reason FROM payment_attempt") == {
        "status": "UNKNOWN",
        "unknown_reason": "contradicts_record",
    }
    assert rows.one("SELECT status FROM payment")["status"] == "REQUESTED"


def test_an_event_that_does_not_say_its_mode_is_of_the_test_mode() -> None:
    body = {"id": "evt_1", "type": "charge.updated", "created": 1, "data": {"object": {"id": "ch_1"}}}
    assert event_of(json.dumps(body)).livemode is False
