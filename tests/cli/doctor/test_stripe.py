"""`doctor` finds whatever is wrong with the Stripe account, the key and the clocks."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.simulator import Simulator
from tests.cli.conftest import Run
from tests.cli.doctor.conftest import PAYMENT, problems_in
from tests.harness.producer import Producer, a_charge
from tests.harness.rows import Rows

ON_ACCOUNT = """
INSERT INTO payment (payment_id, order_id, amount, currency, status, capture_method, fingerprint, stripe_account,
                     failure_reason, created_at, updated_at)
VALUES (%s, '1', 500, 'EUR', 'FAILED', 'automatic', 'x', %s, 'card_declined', now(), now())
"""


def test_a_key_that_stripe_refuses_is_reported(
    run: Run, simulator: Simulator, environment: dict[str, str]
) -> None:
    simulator.fault("unauthorized", times=None)

    assert problems_in(run("doctor", "--json")) == {
        "stripe": f"{environment['STRIPE_API_BASE']} rejects the key (401)"
    }


def test_a_restricted_key_is_reported_with_the_permissions_it_lacks(run: Run, simulator: Simulator) -> None:
    for resource in ("charges", "events"):
        simulator.fault("forbidden", endpoint=f"{resource}.list", times=None)

    why = "(more_permissions_required rak_payment_intent_write)"
    assert problems_in(run("doctor", "--json")) == {
        "stripe": f"the key lacks read permission for: charges {why}, events {why}"
    }


def test_a_live_key_against_the_simulator_is_reported(run: Run, environment: dict[str, str]) -> None:
    problems = problems_in(run("doctor", "--json", settings={"STRIPE_API_KEY": "sk_live_simulator"}))
    assert (
        problems["stripe"]
        == f"{environment['STRIPE_API_BASE']} is a simulator, and STRIPE_API_KEY is a live key"
    )


def test_what_stripe_forbids_is_reported_at_once_with_its_code_and_permission(
    run: Run, simulator: Simulator, worker: Callable[..., Process], producer: Producer, rows: Rows
) -> None:
    simulator.fault("forbidden", endpoint="payment_intents.create", times=None)
    worker(pool="threads")
    producer.charge(**a_charge(payment_id=PAYMENT))
    rows.wait_for("SELECT 1 FROM payment_attempt WHERE error_code LIKE 'access_denied%%'")

    ran = run("doctor", "--json")

    (told,) = [check for check in json.loads(ran.out)["checks"] if check["name"] == "key permissions"]
    assert (told["verdict"], told["ids"]) == ("problem", [PAYMENT])
    word = "access_denied: more_permissions_required rak_payment_intent_write"
    assert told["says"].startswith(f"charges, {word}: 1, the oldest from ")


@pytest.mark.parametrize(("seconds", "side"), [(-400, "6 min 40 s ahead of"), (400, "6 min 39 s behind")])
def test_a_clock_that_is_wrong_is_reported(run: Run, seconds: int, side: str) -> None:
    with _stripe_whose_clock_is_off(seconds) as base:
        problems = problems_in(run("doctor", "--json", settings={"STRIPE_API_BASE": base}))

    minutes = re.escape(side).replace("40", r"\d+").replace("39", r"\d+")
    assert re.match(
        f"this machine's is {minutes} Stripe's; PostgreSQL's is {minutes} Stripe's: ", problems["clock"]
    )


@contextmanager
def _stripe_whose_clock_is_off(seconds: float) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            date = (datetime.now(tz=UTC) + timedelta(seconds=seconds)).strftime("%a, %d %b %Y %H:%M:%S GMT")
            self.send_header("Date", date)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_key_of_another_account_is_reported_first(run: Run, rows: Rows) -> None:
    rows("INSERT INTO stripe_identity (stripe_account_id, livemode) VALUES ('acct_ours', false)")
    ran = run("doctor", "--json")
    assert json.loads(ran.out)["checks"][0]["name"] == "stripe account"
    assert problems_in(ran) == {
        "stripe account": "the key belongs to acct_simulator (test mode), our payments are on acct_ours (test mode):"
        " nothing is sent to Stripe"
    }


EU = {"STRIPE_API_KEYS": "eu=sk_test_51EuropeanAccountKey"}


def test_each_account_is_looked_at_with_its_key(run: Run, simulator: Simulator) -> None:
    simulator.fault("unauthorized", times=None, account="acct_1EuropeanAccount")
    ran = run("doctor", "--json", settings=EU)
    named = {each["name"]: each for each in json.loads(ran.out)["checks"]}
    assert (named["stripe"]["verdict"], named["stripe eu"]["verdict"]) == ("fine", "problem")
    assert named["stripe eu"]["remedy"] == "set eu of STRIPE_API_KEYS to a key that is not revoked"


def test_payments_on_an_account_without_a_key_are_reported(run: Run, rows: Rows) -> None:
    rows(ON_ACCOUNT, PAYMENT, "eu")
    assert problems_in(run("doctor", "--json"))["stripe account eu"].startswith(
        "STRIPE_API_KEYS has no key of eu"
    )
    assert "stripe account eu" not in problems_in(run("doctor", "--json", settings=EU))


def test_a_key_that_may_not_read_its_account_is_reported_with_the_permission(
    run: Run, simulator: Simulator
) -> None:
    simulator.fault("forbidden", endpoint="account.retrieve")
    ran = run("doctor")
    assert ran.screen.startswith(" ✗ stripe account     the key may not read its own account")
    assert "rak_accounts_kyc_basic_read" in ran.screen


def test_clocks_that_are_apart_are_reported(run: Run, simulator: Simulator) -> None:
    simulator.post("settings", {"clock_skew_seconds": -7200})
    (said,) = problems_in(run("doctor", "--json")).values()
    assert said.startswith("this machine's is 2 h ahead of Stripe's; PostgreSQL's is 2 h ahead of Stripe's:")
