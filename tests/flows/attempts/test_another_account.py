"""A key of another Stripe account, or of the other mode, stops everything that asks Stripe and changes nothing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from payment_worker import bootstrap
from payment_worker.flows.attempts.execute import run_claimed
from payment_worker.flows.events.poll import PollOptions, poll
from payment_worker.flows.key_check import KeyCheck
from payment_worker.flows.maintenance.sweep import claim_due
from payment_worker.flows.reconciliation.run import reconcile
from payment_worker.gateway.account.key_owner import ApiKey
from payment_worker.gateway.client import Gateway
from payment_worker.gateway.rate_limit.limiter import RateLimiter
from payment_worker.redis.client import redis_client
from payment_worker.settings import Settings
from tests.flows.limits import ALL_DUE
from tests.flows.scene import Scene
from tests.harness.rows import Rows

OURS = "sk_test_simulator"
ANOTHER = "acct_1AnotherAccount0"
OF_ANOTHER = "sk_test_51AnotherAccount0Key"
OTHERS = (OF_ANOTHER, "sk_live_simulator")
ATTEMPTS = "SELECT number, status, error_code FROM payment_attempt ORDER BY number"

Deploy = Callable[[str], Scene]


@pytest.fixture
def deploy(scene: Scene, environment: dict[str, str]) -> Deploy:
    """A process that begins with this key, in the same world."""

    def begun(key: str) -> Scene:
        settings = Settings.from_environment({**environment, "STRIPE_API_KEY": key})
        rate_limiter = RateLimiter(
            redis_client(environment["REDIS_URL"], timeout_seconds=1), bootstrap.limits(settings)
        )
        check = KeyCheck(scene.context.database, account="", livemode=bool(bootstrap.is_live(settings)))
        stripe = Gateway(
            api_keys={"": ApiKey(key, check)},
            api_base=environment["STRIPE_API_BASE"],
            timeout_seconds=10,
            rate_limiter=rate_limiter,
        )
        return replace(scene, context=replace(scene.context, stripe=stripe))

    return begun


def _sweep(scene: Scene, *, rounds: int = 12) -> None:
    for _ in range(rounds):
        scene.advance(100)
        for each in claim_due(scene.context, ALL_DUE).attempts:
            run_claimed(scene.context, each.attempt_id, lease_token=each.lease_token)


def _intents(scene: Scene) -> int:
    accounts = ("acct_simulator", ANOTHER)
    return sum(len(scene.simulator.ledger(account=each)["payment_intents"]) for each in accounts)


@pytest.mark.parametrize("other", OTHERS)
def test_an_unknown_attempt_waits_and_nothing_is_made_anew(deploy: Deploy, rows: Rows, other: str) -> None:
    ours = deploy(OURS)
    ours.charge_unanswered()
    _sweep(deploy(other))
    assert _intents(ours) == 1
    (attempt,) = rows(ATTEMPTS)
    assert (attempt["number"], attempt["status"]) == (1, "UNKNOWN")
    assert attempt["error_code"] == "another_account"
    _sweep(deploy(OURS))
    assert rows.one("SELECT status FROM payment")["status"] == "SUCCEEDED"
    assert _intents(ours) == 1


@pytest.mark.parametrize("other", OTHERS)
def test_a_new_charge_is_recorded_and_waits(deploy: Deploy, rows: Rows, other: str) -> None:
    deploy(OURS).charge()
    theirs = deploy(other)
    theirs.charge()
    assert _intents(theirs) == 1
    assert rows.one("SELECT error_code FROM payment_attempt WHERE finished_at IS NULL")["error_code"] == (
        "another_account"
    )
    _sweep(deploy(OURS))
    assert _intents(theirs) == 2
    assert rows.one("SELECT count(*) AS n FROM payment WHERE status = 'SUCCEEDED'")["n"] == 2


def test_nothing_is_polled_or_compared_with_it(deploy: Deploy, rows: Rows) -> None:
    ours = deploy(OURS)
    ours.charge()
    theirs = deploy(OF_ANOTHER)
    theirs.simulator.post("payment_intents", {"amount": 5000, "currency": "eur", "account": ANOTHER})
    poll(theirs.context, PollOptions(overlap=timedelta(seconds=300), notify=lambda: None))
    reconcile(theirs.context, since=None, until=None, on_page=lambda *_: True)
    assert rows("SELECT event_id FROM stripe_event") == []
    assert rows("SELECT kind FROM reconciliation_finding") == []


def test_another_key_of_the_same_account_goes_on(deploy: Deploy, rows: Rows) -> None:
    deploy(OURS).charge_unanswered()
    _sweep(deploy("rk_test_rotated"))
    assert rows.one("SELECT status FROM payment")["status"] == "SUCCEEDED"


def test_a_restricted_key_that_may_not_read_its_account_sends_nothing(deploy: Deploy, rows: Rows) -> None:
    restricted = deploy("rk_test_narrow")
    fault = restricted.simulator.fault("forbidden", endpoint="account.retrieve", times=None)
    restricted.charge()
    assert _intents(restricted) == 0
    assert rows(ATTEMPTS) == [{"number": 1, "status": "OPEN", "error_code": "account_unknown"}]
    restricted.simulator.delete(f"faults/{fault}")
    _sweep(deploy("rk_test_narrow"))
    assert rows.one("SELECT status FROM payment")["status"] == "SUCCEEDED"


def test_the_account_is_asked_for_once_a_process(deploy: Deploy) -> None:
    ours = deploy(OURS)
    for _ in range(3):
        ours.charge()
    assert ours.simulator.get("requests")["account.retrieve"] == {"200": 1}
