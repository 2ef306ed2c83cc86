"""The simulator starts with one line, stops when told, and answers strangers as Stripe does."""

import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
import stripe

from payment_worker.devstack.servers.simulator import Simulator
from tests.simulator.webhooks.receiver import Receiver


def _get(url: str, path: str, **headers: str) -> tuple[int, str]:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("GET", path, headers={name.title(): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("how", ["", "Bearer pk_test_x", "Bearer ", "Basic !!!", "Digest x"])
def test_without_a_key_no_account_is_shown(simulator: Simulator, how: str) -> None:
    status, body = _get(simulator.url, "/v1/payment_intents", authorization=how)
    assert (status, "API" in body) == (401, True)


@pytest.mark.parametrize("how", ["Bearer sk_live_x", f"Basic {b64encode(b'rk_test_x:').decode()}"])
def test_either_way_of_giving_the_key_will_do(simulator: Simulator, how: str) -> None:
    assert _get(simulator.url, "/v1/payment_intents", authorization=how)[0] == 200


def test_an_unknown_path_is_named(simulator: Simulator) -> None:
    status, body = _get(simulator.url, "/v1/unicorns", authorization="Bearer sk_test_x")
    assert (status, "Unrecognized request URL (GET: /v1/unicorns)" in body) == (404, True)


def test_a_strange_account_is_refused(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.PermissionError):
        client.v1.payment_intents.list({}, {"stripe_account": "nobody"})


def test_an_account_is_refused_while_it_is_disconnected_and_keeps_what_it_has(
    simulator: Simulator, client: stripe.StripeClient
) -> None:
    made = {"account": "acct_one", "amount": 500, "currency": "eur"}
    simulator.post("payment_intents", made)
    assert simulator.post("accounts/disconnect", {"account": "acct_one"})["connected"] is False
    with pytest.raises(stripe.PermissionError) as refused:
        client.v1.payment_intents.list({}, {"stripe_account": "acct_one"})
    assert refused.value.http_status == 403
    assert "account_invalid" in str(refused.value.http_body)
    assert client.v1.payment_intents.list({}, {"stripe_account": "acct_two"}).data == []
    simulator.post("accounts/connect", {"account": "acct_one"})
    assert len(client.v1.payment_intents.list({}, {"stripe_account": "acct_one"}).data) == 1


@pytest.fixture
def own(receiver: Receiver) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A simulator with options of its own, and its address."""
    options = ["--api-key", "sk_test_only", "--webhook-url", receiver.url, "--webhook-secret", "whsec_x"]
    command = [sys.executable, "-m", "payment_worker.simulator", *options, "--seed", "7", "--latency", "0.01"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        assert words[:3] == ["simulator", "ready", "on"]
        yield process, words[3]
        process.kill()


def test_it_serves_as_its_options_say(own: tuple["subprocess.Popen[str]", str]) -> None:
    process, url = own
    assert _get(url, "/v1/balance", authorization="Bearer sk_test_other")[0] == 401
    key = {"authorization": "Bearer sk_test_only"}
    assert _get(url, "/v1/balance", **key)[0] == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) in (0, -signal.SIGTERM)
    assert process.stdout is not None
    assert process.stdout.read() == ""


def test_wrong_usage_is_reported() -> None:
    command = [sys.executable, "-m", "payment_worker.simulator", "--webhook-url", "http://x"]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert (ended.returncode, "--webhook-secret" in ended.stderr) == (2, True)


def test_a_taken_port_is_reported(simulator: Simulator) -> None:
    port = str(urlsplit(simulator.url).port)
    command = [sys.executable, "-m", "payment_worker.simulator", "--port", port]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stderr.startswith("simulator: ")) == (1, True)
