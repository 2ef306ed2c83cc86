"""Whoever sets something wrong is told all of it at once: each value, each name, each pair that does not fit."""

import pytest

from payment_worker.bootstrap import api_keys, webhook_secrets
from payment_worker.devstack.chaos.cluster import TIMINGS
from payment_worker.devstack.stack import IMPATIENT
from payment_worker.settings import MAX_REDELIVERIES, Role, Settings, SettingsError

EVERY_ROLE: tuple[Role, ...] = ("broker", "database", "stripe", "webhook")


def chosen(**environment: str) -> Settings:
    return Settings.from_environment(environment, needed_by=())


def faults(*needed_by: Role, **environment: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environment, needed_by=needed_by)
    return caught.value.faults


@pytest.mark.parametrize("backend", ["nonsense", "rediss://h/1?ssl_cert_reqs=CERT_NONE"])
def test_a_result_backend_is_checked_as_a_broker_is(backend: str) -> None:
    (fault,) = faults(PAYMENT_WORKER_RESULT_BACKEND=backend)
    assert fault.startswith("PAYMENT_WORKER_RESULT_BACKEND: ")
    assert "CERT_NONE" not in fault


def test_faults_of_every_kind_are_reported_in_one_round() -> None:
    told = faults(
        *EVERY_ROLE,
        DATABASE_URL="mysql://127.0.0.1/payments",
        REDIS_URL="rediss://127.0.0.1?ssl_cert_reqs=none",
        STRIPE_WEBHOOK_SECRET_FILE="/nowhere",
        PAYMENT_WORKER_RESUME_EVERY="soon",
        PAYMENT_WORKER_METRICS_PORT="0",
        PAYMENT_WORKER_LAESE="60",
        PAYMENT_WORKER_STRIPE_TIMEOUT="90",
    )
    assert [line.partition(" ")[0].rstrip(":") for line in told] == [
        "PAYMENT_WORKER_LAESE",
        "STRIPE_WEBHOOK_SECRET_FILE",
        "DATABASE_URL",
        "REDIS_URL",
        "PAYMENT_WORKER_RESUME_EVERY",
        "PAYMENT_WORKER_METRICS_PORT",
        "STRIPE_API_KEY",
        "PAYMENT_WORKER_STRIPE_TIMEOUT",
    ]
    assert "STRIPE_API_KEY: must be set" in told
    assert told[-1].startswith("PAYMENT_WORKER_STRIPE_TIMEOUT must be less than PAYMENT_WORKER_LEASE: ")


def test_a_value_that_is_wrong_by_itself_is_not_held_against_another() -> None:
    patient = {"PAYMENT_WORKER_ABSENCE_DELAY": "600"}
    (told,) = faults(PAYMENT_WORKER_LEASE="abc", PAYMENT_WORKER_STRIPE_TIMEOUT="90", **patient)
    assert told.startswith("PAYMENT_WORKER_LEASE: ")


@pytest.mark.parametrize(
    "weak", ["short", "a" * 64, f"{'0123456789abcdef' * 4},short", "whsec_" + "0123456789" * 4]
)
def test_a_weak_metadata_secret_is_refused_and_not_shown(weak: str) -> None:
    (fault,) = faults(PAYMENT_WORKER_METADATA_SECRETS=weak)
    assert fault.startswith("PAYMENT_WORKER_METADATA_SECRETS: ")
    assert weak not in fault


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("PAYMENT_WORKER_LAESE", "; PAYMENT_WORKER_LEASE is alike"),
        ("PAYMENT_WORKER_DATABASE_URL", "; DATABASE_URL is alike"),
        ("PAYMENT_WORKER_STRIPE_API_KEY_FILE", "; STRIPE_API_KEY_FILE is alike"),
        ("PAYMENT_WORKER_TYPO", ""),
    ],
)
def test_an_unknown_name_is_reported_with_the_nearest_known_one(misspelt: str, meant: str) -> None:
    assert faults(**{misspelt: "5"}) == (f"{misspelt}: no such setting{meant}",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STRIPE_API_KEY", "pk_live_planted"),
        ("STRIPE_API_KEY", "pk_test_planted"),
        ("STRIPE_API_KEY", "whsec_planted"),
        ("STRIPE_WEBHOOK_SECRET", "sk_live_planted"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_good,rk_live_planted"),
        ("STRIPE_WEBHOOK_SECRET", "pk_live_planted"),
    ],
)
def test_a_secret_in_the_place_of_another_is_reported_without_showing_it(name: str, value: str) -> None:
    (told,) = faults(**{name: value})
    assert told.startswith(f"{name}: this is ")
    assert "planted" not in told


@pytest.mark.parametrize("key", ["sk_live_1", "sk_test_1", "rk_live_1", "rk_test_1", "something_new"])
def test_a_key_of_a_kind_that_we_do_not_know_may_be_right(key: str) -> None:
    read = chosen(STRIPE_API_KEY=key, STRIPE_WEBHOOK_SECRET="whsec_1,another").stripe_api_key
    assert read is not None
    assert read.get_secret_value() == key


@pytest.mark.parametrize("base", ["http://api.stripe.com", "http://10.0.0.1:12111", "http://simulator"])
@pytest.mark.parametrize("key", ["sk_live_planted", "rk_live_planted"])
def test_a_live_key_is_sent_over_https_alone(base: str, key: str) -> None:
    (told,) = faults(STRIPE_API_BASE=base, STRIPE_API_KEY=key)
    assert told.startswith("STRIPE_API_BASE must begin with https://")
    assert "planted" not in told


@pytest.mark.parametrize(
    ("base", "key"),
    [
        ("http://simulator:12111", "sk_test_1"),
        ("https://proxy", "sk_live_1"),
        ("http://127.0.0.1:1", "sk_live_1"),
        ("http://[::1]:1", "sk_live_1"),
        ("http://localhost", "sk_live_1"),
    ],
)
def test_a_test_key_and_this_machine_need_no_https(base: str, key: str) -> None:
    assert chosen(STRIPE_API_BASE=base, STRIPE_API_KEY=key).stripe_api_base == base


def test_what_waits_for_the_longest_task_may_not_be_set_aside_meanwhile() -> None:
    (told,) = faults(PAYMENT_WORKER_VISIBILITY_TIMEOUT="5", PAYMENT_WORKER_LEASE="60")
    assert told.startswith(
        "PAYMENT_WORKER_VISIBILITY_TIMEOUT must be at least a tenth of PAYMENT_WORKER_LEASE"
    )


@pytest.mark.parametrize("seconds", [0.5, 2, 5, 10, 30, 300])
def test_times_that_are_not_set_fit_those_that_are(seconds: float) -> None:
    read = chosen(PAYMENT_WORKER_VISIBILITY_TIMEOUT=str(seconds))
    assert read.stripe_timeout < read.lease <= min(60, MAX_REDELIVERIES * seconds)


@pytest.mark.parametrize("timings", [TIMINGS, IMPATIENT], ids=["chaos", "demo"])
def test_the_short_times_of_our_own_stacks_are_good(timings: dict[str, str]) -> None:
    read = chosen(**timings)
    assert read.stripe_timeout < read.lease < read.visibility_timeout


EU = "sk_test_51EuropeanAccountKey"


@pytest.mark.parametrize("text", [f"eu={EU}", f" eu = {EU} ,", f"eu:{EU}", f'{{"eu": "{EU}"}}'])
def test_further_accounts_are_named_keys_beside_the_default_one(text: str) -> None:
    read = chosen(
        STRIPE_API_KEY="sk_test_1", STRIPE_API_KEYS=text, STRIPE_WEBHOOK_SECRET="whsec_1,eu=whsec_2"
    )
    assert api_keys(read) == {"": "sk_test_1", "eu": EU}
    assert webhook_secrets(read) == (("", "whsec_1"), ("eu", "whsec_2"))


@pytest.mark.parametrize(
    "setting",
    [
        {"STRIPE_API_KEYS": f"acct_1={EU}"},
        {"STRIPE_API_KEYS": f"platform={EU}"},
        {"STRIPE_API_KEYS": f"a/b={EU}"},
        {"STRIPE_API_KEYS": EU},
        {"STRIPE_API_KEYS": f"eu={EU},eu=sk_test_2"},
        {"STRIPE_API_KEYS": f"eu={EU},us={EU}"},
        {"STRIPE_API_KEYS": "eu=pk_test_51EuropeanAccountKey"},
        {"STRIPE_API_KEYS": "eu="},
        {"STRIPE_API_KEYS": "eu=sk_live_51EuropeanAccountKey"},
        {"STRIPE_API_KEYS": f"eu={EU}", "STRIPE_API_KEY": EU},
        {"STRIPE_API_KEYS": f"eu={EU}", "STRIPE_API_KEY": ""},
        {"STRIPE_WEBHOOK_SECRET": "whsec_1,eu=whsec_1", "STRIPE_API_KEYS": f"eu={EU}"},
        {"STRIPE_WEBHOOK_SECRET": "eu=whsec_1"},
        {"STRIPE_WEBHOOK_SECRET": "acct_1=whsec_1"},
    ],
    ids=str,
)
def test_accounts_that_cannot_be_told_apart_are_refused_and_not_shown(setting: dict[str, str]) -> None:
    (told,) = faults(**{"STRIPE_API_KEY": "sk_test_1", **setting})
    assert told.startswith("STRIPE_")
    assert "EuropeanAccount" not in told


def test_a_secret_of_another_form_stays_a_secret() -> None:
    assert webhook_secrets(chosen(STRIPE_WEBHOOK_SECRET="of=another=form")) == (("", "of=another=form"),)
