"""Each Stripe account has its own key, and nothing of one reaches another."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from payment_worker import bootstrap
from payment_worker.flows.events.arrival import arrival
from payment_worker.flows.events.dispatch import dispatch
from payment_worker.flows.events.poll import PollOptions, poll
from payment_worker.flows.events.result import Ignored, Reason
from payment_worker.flows.key_check import KeyCheck
from payment_worker.flows.ledger.import_balance import ImportOptions
from payment_worker.flows.ledger.run import import_balance
from payment_worker.flows.reconciliation.run import reconcile
from payment_worker.gateway.account.key_owner import ApiKey
from payment_worker.gateway.client import Gateway
from payment_worker.gateway.rate_limit.limiter import RateLimiter
from payment_worker.gateway.webhook import event_from, verified
from payment_worker.redis.client import redis_client
from payment_worker.settings import Settings
from payment_worker.store.events.inbox import EventStatus
from tests.flows.scene import Scene
from tests.harness.rows import Rows
from tests.webhook.sending import signature

OURS = "sk_test_simulator"
EU = "sk_test_51EuropeanAccountKey"
EU_ACCOUNT = "acct_1EuropeanAccount"
OUR_ACCOUNT = "acct_simulator"
CONNECTED = "acct_of_a_merchant"
SECRETS = (("", "whsec_ours"), ("eu", "whsec_eu"))

Deploy = Callable[[Mapping[str, str]], Scene]


@pytest.fixture
def deploy(scene: Scene, environment: dict[str, str]) -> Deploy:
    """A process that begins with these keys, in the same world."""

    def begun(keys: Mapping[str, str]) -> Scene:
        limits = replace(bootstrap.limits(Settings.from_environment(environment)), failures=3)
        database = scene.context.database
        stripe = Gateway(
            api_keys={
                name: ApiKey(key, KeyCheck(database, account=name, livemode=False))
                for name, key in keys.items()
            },
            api_base=environment["STRIPE_API_BASE"],
            timeout_seconds=10,
            rate_limiter=RateLimiter(redis_client(environment["REDIS_URL"], timeout_seconds=1), limits),
        )
        return replace(scene, context=replace(scene.context, stripe=stripe))

    return begun


@pytest.fixture
def two(deploy: Deploy) -> Scene:
    """A process with the keys of two accounts."""
    return deploy({"": OURS, "eu": EU})


def _status(rows: Rows, payment_id: UUID) -> str:
    query = "SELECT status FROM payment WHERE payment_id = %s"
    return str(rows.one(query, str(payment_id))["status"])


def _intents(scene: Scene, account: str) -> int:
    return len(scene.simulator.ledger(account=account)["payment_intents"])


def test_every_call_for_a_payment_is_made_with_its_accounts_key(two: Scene, rows: Rows) -> None:
    payment_id = two.charge(account="eu", capture_method="manual")
    two.capture(payment_id)
    two.refund(payment_id)
    assert {each["account"] for each in two.simulator.journal()} == {EU_ACCOUNT}
    assert rows.one("SELECT stripe_account, status FROM payment") == {
        "stripe_account": "eu",
        "status": "SUCCEEDED",
    }
    assert rows.one("SELECT status FROM refund")["status"] == "PROCESSED"


def test_outcomes_tell_the_account(two: Scene, rows: Rows) -> None:
    two.refund(two.charge(account="eu"))
    assert {each["data"].get("stripeAccount") for each in rows("SELECT data FROM outbox")} == {"eu"}
    two.refund(two.charge())
    told = rows("SELECT data->>'stripeAccount' AS name, count(*) AS n FROM outbox GROUP BY 1 ORDER BY 1")
    assert told == [{"name": "eu", "n": 4}, {"name": None, "n": 4}]


def test_an_account_may_have_connected_ones_of_its_own(two: Scene, rows: Rows) -> None:
    two.charge(account="eu", stripe_account=CONNECTED)
    two.charge(stripe_account=CONNECTED)
    assert {each["account"] for each in two.simulator.journal()} == {CONNECTED}
    accounts = rows("SELECT stripe_account FROM payment ORDER BY created_at")
    assert [each["stripe_account"] for each in accounts] == [f"eu/{CONNECTED}", CONNECTED]


def test_what_is_unknown_is_looked_up_on_its_account_alone(two: Scene, rows: Rows) -> None:
    two.simulator.fault("server_error", when="after", endpoint="payment_intents.create", account=EU_ACCOUNT)
    payment_id = two.charge(account="eu")
    two.resume()
    assert _status(rows, payment_id) == "SUCCEEDED"
    assert (_intents(two, EU_ACCOUNT), _intents(two, OUR_ACCOUNT)) == (1, 0)


def test_a_key_that_was_used_on_another_account_too_proves_nothing(two: Scene, rows: Rows) -> None:
    two.simulator.fault("server_error", when="before", endpoint="payment_intents.create", account=EU_ACCOUNT)
    payment_id = two.charge(account="eu")
    key = rows.one("SELECT idempotency_key AS key FROM payment_attempt")["key"]
    signed = {f"metadata[{name}]": value for name, value in two.metadata_of(payment_id).items()}
    made = two.at_stripe("/v1/payment_intents", {"amount": "5000", "currency": "eur", **signed}, key=key)
    two.deliver(two.events())
    two.resume()
    payment = rows.one("SELECT status, stripe_payment_intent_id AS intent FROM payment")
    assert payment["status"] == "SUCCEEDED"
    assert payment["intent"] != made["id"]
    assert _intents(two, EU_ACCOUNT) == 1


def test_the_secret_that_signed_an_event_tells_its_account(two: Scene, rows: Rows) -> None:
    payment_id = two.charge(account="eu", payment_method="pm_card_processing")
    two.simulator.advance(60)
    events = two.simulator.get("events", account=EU_ACCOUNT)["data"]
    (done,) = [each for each in events if each["type"] == "payment_intent.succeeded"]
    body = json.dumps(done)

    def signed_with(secret: str) -> list[EventStatus | None]:
        event = verified(body, signature(body.encode(), secret), secrets=SECRETS)
        return two.deliver([event])

    assert signed_with("whsec_ours") == [EventStatus.IGNORED]
    assert _status(rows, payment_id) == "PROCESSING"
    assert signed_with("whsec_eu") == [EventStatus.PROCESSED]
    assert _status(rows, payment_id) == "SUCCEEDED"


def test_an_organisation_that_one_account_is_of_does_not_speak_for_another(two: Scene, rows: Rows) -> None:
    payment_id = two.charge(account="eu", payment_method="pm_card_processing")
    two.charge()
    two.simulator.advance(60)
    events = two.simulator.get("events", account=EU_ACCOUNT)["data"]
    (done,) = [each for each in events if each["type"] == "payment_intent.succeeded"]
    body = json.dumps({**done, "context": EU_ACCOUNT})
    statuses = []
    for secret in ("whsec_ours", "whsec_eu"):
        two.deliver([verified(body, signature(body.encode(), secret), secrets=SECRETS)])
        statuses.append(_status(rows, payment_id))
    assert statuses == ["PROCESSING", "SUCCEEDED"]


@pytest.mark.parametrize("kind", ["refund.created", "charge.dispute.created"])
def test_no_event_of_another_account_changes_a_payment(two: Scene, rows: Rows, kind: str) -> None:
    payment_id = two.charge(account="eu", payment_method="pm_card_createDispute")
    (intent,) = two.simulator.ledger(account=EU_ACCOUNT)["payment_intents"]
    if kind == "refund.created":
        two.simulator.post(f"payment_intents/{intent['id']}/refund", {"account": EU_ACCOUNT, "amount": 10})
    two.simulator.advance(60)
    events = two.simulator.get("events", account=EU_ACCOUNT)["data"]
    foreign = [event_from(each) for each in events if each["type"] == kind]
    assert foreign
    assert [dispatch(two.context, arrival(each).event) for each in foreign] == [Ignored(Reason.FOREIGN)]
    assert two.deliver(foreign) == [EventStatus.IGNORED]
    assert rows("SELECT 1 FROM refund UNION SELECT 1 FROM dispute") == []
    assert _status(rows, payment_id) == "SUCCEEDED"


def test_poll_reconciliation_and_ledger_go_through_each_account(two: Scene, rows: Rows) -> None:
    for account in (None, "eu"):
        two.charge(account=account, payment_method="pm_card_processing")
    two.advance(60)
    poll(two.context, PollOptions(overlap=timedelta(minutes=5), notify=lambda: None))
    polled = rows("SELECT DISTINCT stripe_account AS name FROM stripe_event ORDER BY 1")
    assert [each["name"] for each in polled] == ["", "eu"]
    two.advance(7200)
    now = two.clock()
    assert reconcile(two.context, since=now - timedelta(days=1), until=now, on_page=lambda _: True)
    assert rows("SELECT DISTINCT status FROM payment") == [{"status": "SUCCEEDED"}]
    imported = import_balance(
        two.context, ImportOptions(overlap=timedelta(minutes=5), clear_within=timedelta(days=4))
    )
    assert {each.stripe_account: each.is_read for each in imported or ()} == {"": True, "eu": True}
    proofs = rows("SELECT stripe_account, available + pending - ledger AS differs FROM balance_proof")
    assert sorted(proofs, key=str) == [
        {"stripe_account": "", "differs": 0},
        {"stripe_account": "eu", "differs": 0},
    ]


def test_an_account_that_does_not_answer_holds_no_other(two: Scene, rows: Rows) -> None:
    two.charge(account="eu")
    two.simulator.fault("unavailable", account=EU_ACCOUNT, times=None)
    while not two.context.stripe.breaker_is_open(account="eu"):
        two.context.stripe.payment_intent("pi_any", account="eu")
    waiting, other = two.charge(account="eu"), two.charge()
    assert (_status(rows, waiting), _status(rows, other)) == ("REQUESTED", "SUCCEEDED")


@pytest.mark.parametrize("key", ["sk_test_51AnotherAccount0Key", "sk_test_rotated"])
def test_a_key_of_another_account_stops_its_own_account_at_once(deploy: Deploy, rows: Rows, key: str) -> None:
    deploy({"": OURS, "eu": EU}).charge(account="eu")
    wrong = deploy({"": OURS, "eu": key})
    waiting, other = wrong.charge(account="eu"), wrong.charge()
    assert (_status(rows, waiting), _status(rows, other)) == ("REQUESTED", "SUCCEEDED")
    assert _intents(wrong, EU_ACCOUNT) == 1
    right = deploy({"": OURS, "eu": EU})
    right.resume()
    assert _status(rows, waiting) == "SUCCEEDED"
    assert _intents(right, EU_ACCOUNT) == 2


def test_two_names_of_one_account_are_noticed_before_anything_is_sent(deploy: Deploy, rows: Rows) -> None:
    both = deploy({"": OURS, "eu": "sk_test_another_of_ours"})
    both.charge()
    waiting = both.charge(account="eu")
    assert _status(rows, waiting) == "REQUESTED"
    assert _intents(both, OUR_ACCOUNT) == 1


def test_without_its_accounts_key_a_payment_waits(deploy: Deploy, rows: Rows) -> None:
    payment_id = deploy({"": OURS}).charge(account="eu")
    attempt = rows.one("SELECT status, error_code FROM payment_attempt")
    assert attempt == {"status": "OPEN", "error_code": "no_api_key"}
    later = deploy({"": OURS, "eu": EU})
    assert (_intents(later, EU_ACCOUNT), _intents(later, OUR_ACCOUNT)) == (0, 0)
    later.resume()
    assert _status(rows, payment_id) == "SUCCEEDED"
