"""The lean requestor sends what the SDK's own sends, and writes its log lines where somebody reads them."""

import json
import logging
from collections.abc import Mapping
from typing import Any, Final

import pytest
import stripe
from stripe._api_requestor import _APIRequestor

from payment_worker.domain.attempts.outcome import Unanswered, UnknownReason
from payment_worker.gateway.transport.errors import outcome_of
from payment_worker.gateway.transport.requestor import LeanRequestor, make_lean

PARAMETERS: Final = {"amount": 1099, "metadata": {"order_id": "Mürzt & Söhne"}, "expand": ["latest_charge"]}
PATH: Final = "/v1/payment_intents"


class Answering(stripe.HTTPClient):
    """Answers each request alike, and keeps it."""

    name = "answering"

    def __init__(self, body: bytes = b'{"id": "pi_1"}', status: int = 200) -> None:
        super().__init__()
        self.asked: list[tuple[str, str, list[tuple[str, str]], str | None]] = []
        self._answer = body, status, {"request-id": "req_1"}

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,  # noqa: ANN401 - the SDK's signature
        **_: Any,  # noqa: ANN401 - likewise
    ) -> Any:  # noqa: ANN401 - likewise
        """The answer."""
        self.asked.append((method, url, list((headers or {}).items()), post_data))
        return self._answer


def client_of(http: Answering) -> stripe.StripeClient:
    return stripe.StripeClient("sk_test_1", http_client=http, max_network_retries=0)


def requestor_of(client: stripe.StripeClient) -> _APIRequestor:
    return client._requestor  # noqa: SLF001 - what is replaced


REQUESTS: Final[list[tuple[str, dict[str, Any]]]] = [
    ("post", {**PARAMETERS, "idempotency_key": "first"}),
    ("post", {**PARAMETERS, "idempotency_key": "second"}),
    ("post", {**PARAMETERS, "idempotency_key": "third", "stripe_account": "acct_1"}),
    ("post", {**PARAMETERS, "idempotency_key": "fourth", "stripe_account": "acct_2"}),
    ("post", {**PARAMETERS, "idempotency_key": "fifth"}),
    ("post", {**PARAMETERS, "idempotency_key": "sixth", "stripe_version": "2024-06-20"}),
    ("post", {**PARAMETERS, "idempotency_key": "seventh", "stripe_context": "acct_3"}),
    ("post", {**PARAMETERS, "idempotency_key": "eighth", "api_key": "sk_test_2"}),
    ("post", {**PARAMETERS, "idempotency_key": "ninth", "headers": {"X-Of-Ours": "1"}}),
    ("get", {"limit": 3}),
    ("get", {"limit": 3, "stripe_account": "acct_1"}),
    ("get", {"limit": 3, "idempotency_key": "of a read"}),
]


def test_headers_and_bodies_are_those_of_the_sdk() -> None:
    own, lean = Answering(), Answering()
    client, lean_client = client_of(own), make_lean(client_of(lean))
    for method, options in REQUESTS * 2:
        answers = [each.raw_request(method, PATH, **options) for each in (client, lean_client)]
        shown = [(each.data, each.code, each.request_id) for each in answers]
        assert shown == [({"id": "pi_1"}, 200, "req_1")] * 2

    assert len(own.asked) == 2 * len(REQUESTS)
    assert lean.asked == own.asked


def test_a_key_that_nobody_gave_is_another_each_time() -> None:
    lean = Answering()
    client = make_lean(client_of(lean))
    for _ in range(2):
        client.raw_request("post", PATH, **PARAMETERS)

    first, second = (dict(headers)["Idempotency-Key"] for _, _, headers, _ in lean.asked)
    assert first != second


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
def test_log_lines_are_written_as_the_sdk_writes_them(level: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(level, logger="stripe")
    written = []
    for client in (client_of(Answering()), make_lean(client_of(Answering()))):
        client.raw_request("post", PATH, **PARAMETERS, idempotency_key="key")
        written.append([(record.levelno, record.getMessage()) for record in caplog.records])
        caplog.clear()

    own, lean = written
    assert "Request to Stripe api" in own[0][1]
    assert lean == own


def test_lines_for_the_console_are_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stripe, "log", "info")
    make_lean(client_of(Answering())).raw_request("get", PATH)

    assert "Request to Stripe api" in capsys.readouterr().err


def test_a_body_that_is_no_text_is_no_answer() -> None:
    client = make_lean(client_of(Answering(b"\xff\xfe")))

    with pytest.raises(stripe.APIError) as caught:
        client.raw_request("post", PATH, **PARAMETERS, idempotency_key="key")

    assert outcome_of(caught.value) == Unanswered(UnknownReason.TRUNCATED_ANSWER)


def test_an_error_is_raised_as_by_the_sdk() -> None:
    refusal = json.dumps({"error": {"type": "card_error", "code": "card_declined", "message": "no"}}).encode()
    client = make_lean(client_of(Answering(refusal, status=402)))

    with pytest.raises(stripe.CardError):
        client.raw_request("post", PATH, **PARAMETERS, idempotency_key="key")


def test_only_the_version_that_it_was_seen_with_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(requestor_of(make_lean(client_of(Answering())))) is LeanRequestor, (
        "compare it with the new SDK"
    )

    monkeypatch.setattr(stripe, "VERSION", "16.2.0")
    assert type(requestor_of(make_lean(client_of(Answering())))) is _APIRequestor
