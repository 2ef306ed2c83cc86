"""Whoever sets something wrong is told all of it at once: each value, each name, each pair that does not fit."""

import pytest

from payment_worker.settings import Role, Settings, SettingsError

EVERY_ROLE: tuple[Role, ...] = ("broker", "database", "stripe", "webhook")


def faults(*needed_by: Role, **environment: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environment, needed_by=needed_by)
    return caught.value.faults


def test_faults_of_every_kind_are_told_in_one_round() -> None:
    told = faults(
        *EVERY_ROLE,
        DATABASE_URL="mysql://127.0.0.1/payments",
        REDIS_URL="rediss://127.0.0.1",
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
    ("misspelt", "meant"),
    [
        ("PAYMENT_WORKER_LAESE", "; PAYMENT_WORKER_LEASE is alike"),
        ("PAYMENT_WORKER_DATABASE_URL", "; DATABASE_URL is alike"),
        ("PAYMENT_WORKER_STRIPE_API_KEY_FILE", "; STRIPE_API_KEY_FILE is alike"),
        ("PAYMENT_WORKER_TYPO", ""),
    ],
)
def test_a_name_that_is_unknown_is_told_with_the_one_that_may_be_meant(misspelt: str, meant: str) -> None:
    assert faults(**{misspelt: "5"}) == (f"{misspelt}: no such setting{meant}",)
