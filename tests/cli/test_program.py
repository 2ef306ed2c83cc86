"""The program says what it can do, what is wrong, and leaves with the status that says so; never a traceback."""

import pytest

from tests.cli.conftest import Run

COMMANDS = "charge", "demo", "dev", "doctor", "events", "migrate", "refund", "show", "simulator", "webhook"
UUID = "6f6e6520-646f-4f72-8000-616461707465"
NOWHERE = {
    "DATABASE_URL": "postgresql://nobody:planted4711@127.0.0.1:1/nothing",
    "REDIS_URL": "redis://:planted4712@127.0.0.1:1/0",
}


def test_its_help_names_every_command(bare: Run) -> None:
    ran = bare("--help")

    assert ran.status == 0
    for command in COMMANDS:
        assert f"│ {command} " in ran.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_without_settings_or_servers(bare: Run, command: str) -> None:
    ran = bare(command, "--help")

    assert (ran.status, ran.err) == (0, "")


def test_it_prints_its_version(bare: Run) -> None:
    assert bare("--version").out == "0.1.0\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("shwo",),
        ("show",),
        ("show", "nothing-that-is-an-id"),
        ("events", "list", "--status", "lost"),
        ("events", "replay"),
        ("events", "replay", "evt_1", "--parked"),
        ("charge", "--amount", "ten"),
        ("doctor", "--unknown-after", "-1"),
        ("webhook", "--port", "70000"),
        ("simulator", "--port", "x"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_reported_with_status_2(bare: Run, arguments: tuple[str, ...]) -> None:
    ran = bare(*arguments)

    assert ran.status == 2
    assert ran.err
    assert "Traceback" not in ran.err


def test_a_misspelt_command_is_wrong_usage(bare: Run) -> None:
    assert "Did you mean 'show'" in bare("shwo").err


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (("show", UUID), ["DATABASE_URL"]),
        (("events", "list"), ["DATABASE_URL"]),
        (("migrate",), ["DATABASE_URL"]),
        (("refund", UUID), ["REDIS_URL"]),
        (("webhook",), ["REDIS_URL", "DATABASE_URL", "STRIPE_WEBHOOK_SECRET"]),
    ],
)
def test_settings_that_are_missing_are_named(
    bare: Run, arguments: tuple[str, ...], missing: list[str]
) -> None:
    ran = bare(*arguments)

    assert ran.status == 2
    assert ran.out == ""
    assert ran.err.splitlines() == [
        "Invalid settings:",
        *(f"  {name}: must be set" for name in missing),
    ]


@pytest.mark.parametrize("arguments", [("show", UUID), ("events", "list"), ("migrate",)])
def test_an_unreachable_database_is_reported_without_its_password(
    bare: Run, arguments: tuple[str, ...]
) -> None:
    ran = bare(*arguments, settings=NOWHERE)

    assert (ran.status, ran.out) == (1, "")
    assert ran.err == (
        "PostgreSQL cannot serve now: nothing listens at 127.0.0.1:1.\n"
        "→ start PostgreSQL, or correct host and port in DATABASE_URL\n"
    )


def test_an_unreachable_broker_is_reported_without_its_password(bare: Run) -> None:
    ran = bare("refund", UUID, settings=NOWHERE)

    assert (ran.status, ran.out) == (1, "")
    assert ran.err == (
        "Redis at 127.0.0.1:1 cannot serve now: nothing listens.\n"
        "→ start or repair Redis, or correct REDIS_URL; workers go on by themselves once it has passed\n"
    )


@pytest.mark.parametrize("backend", ["mongodb://h/x", "db+foo://x", "s3://x", "elasticsearch://x"])
def test_a_result_backend_whose_driver_is_missing_is_a_fault_of_the_settings(bare: Run, backend: str) -> None:
    ran = bare("refund", UUID, settings={**NOWHERE, "PAYMENT_WORKER_RESULT_BACKEND": backend})

    assert (ran.status, ran.out) == (2, "")
    assert "  PAYMENT_WORKER_RESULT_BACKEND: Celery cannot use it (" in ran.err


def test_a_database_without_tables_names_the_command_to_run(bare: Run, empty_database_url: str) -> None:
    ran = bare("events", "list", settings={"DATABASE_URL": empty_database_url})

    assert ran.status == 1
    assert ran.err == "The Payment Database lacks migrations. Run: payment-worker migrate\n"
