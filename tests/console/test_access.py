"""Nothing of the console is shown to strangers, nothing in it runs or leads elsewhere, and no secret is on any page."""

import re
from pathlib import Path

import pytest

from payment_worker.devstack import programs
from payment_worker.settings import Settings, SettingsError
from tests.console.conftest import OPERATOR, PAGES, READER, Page, Running, Start, Visitor

EVERY_PATH = (*PAGES, "/payments/11111111-1111-4111-8111-111111111111", "/style.css", "/icon.svg", "/nowhere")


def test_it_does_not_start_without_authentication(environment: dict[str, str], tmp_path: Path) -> None:
    process = programs.console(environment, directory=tmp_path, port=0).start()
    process.wait()
    assert process.exit_status == 2
    assert process.output() == "Invalid settings:\n  PAYMENT_WORKER_CONSOLE_AUTH: must be set\n"


@pytest.mark.parametrize("pairs", ["ada", "ada:", ":secret4711", "ada:secret4711,ada:secret4712"])
def test_it_does_not_start_with_half_a_password(pairs: str) -> None:
    (fault,) = _faults(PAYMENT_WORKER_CONSOLE_AUTH=pairs)
    assert fault.startswith("PAYMENT_WORKER_CONSOLE_AUTH: ")
    assert "secret47" not in fault


def test_an_operator_that_nobody_can_be_is_a_fault() -> None:
    (fault,) = _faults(PAYMENT_WORKER_CONSOLE_AUTH=READER, PAYMENT_WORKER_CONSOLE_OPERATORS="adda")
    assert fault.startswith("PAYMENT_WORKER_CONSOLE_OPERATORS names a user who is not in ")


def test_a_process_that_has_no_passwords_may_have_the_names_of_operators() -> None:
    chosen = Settings.from_environment({"PAYMENT_WORKER_CONSOLE_OPERATORS": "grace"}, needed_by=())
    assert chosen.console_operators == ("grace",)


def test_a_network_that_is_none_is_a_fault() -> None:
    (fault,) = _faults(PAYMENT_WORKER_CONSOLE_AUTH=READER, PAYMENT_WORKER_CONSOLE_PROXIES="10.0.0.1/8")
    assert fault.startswith("PAYMENT_WORKER_CONSOLE_PROXIES: ")


def _faults(**environment: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environment, needed_by=("console",))
    return caught.value.faults


@pytest.mark.parametrize("path", EVERY_PATH)
@pytest.mark.parametrize("pair", [None, "ada:wrong", "ada:", "nobody:", "nobody:reads-only-4711", "\xff", ""])
def test_a_stranger_is_shown_nothing(shared_console: Running, path: str, pair: str | None) -> None:
    page = Visitor(shared_console.port, pair).get(path)
    assert (page.status, page.body) == (401, "Not authenticated.")
    assert page.headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    "sent", ["Basic", "Basic ====", "Basic YWRh", "Bearer x", "Basic \u00e9", "basic " + "A" * 4000]
)
def test_whatever_stands_in_the_header_is_no_password(shared_console: Running, sent: str) -> None:
    assert Visitor(shared_console.port, headers={"authorization": sent}).get("/").status == 401


def test_only_its_health_is_told_to_everybody(shared_console: Running) -> None:
    page = shared_console.stranger.get("/healthz")
    assert (page.status, page.body) == (200, '{"alive":true}')


def _is_safe(page: Page) -> bool:
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["x-frame-options"] == "DENY"
    return "set-cookie" not in page.headers and "server" not in page.headers


@pytest.mark.parametrize("path", EVERY_PATH)
def test_no_page_runs_a_script_or_can_be_framed(shared_console: Running, path: str) -> None:
    page = shared_console.operator.get(path)
    assert _is_safe(page)
    assert _is_safe(shared_console.stranger.get(path))
    for forbidden in ("<script", "javascript:", " style=", "onclick", "onload"):
        assert forbidden not in page.body.lower()


@pytest.mark.parametrize("path", PAGES)
def test_no_page_loads_anything_of_another_host_and_none_is_stored(
    shared_console: Running, path: str
) -> None:
    page = shared_console.reader.get(path)
    assert page.status == 200
    assert page.headers["cache-control"] == "no-store"
    loaded = re.findall(r'<(?:link|img|iframe|object|form)[^>]*(?:href|src|action)="([^"]*)"', page.body)
    assert loaded
    assert all(each.startswith("/") and not each.startswith("//") for each in loaded)


def test_no_page_and_no_line_of_the_log_tells_a_secret(console: Start, environment: dict[str, str]) -> None:
    running = console(settings={"PAYMENT_WORKER_LOG_LEVEL": "DEBUG"})
    told = [running.operator.get(path).body for path in PAGES]
    told.append(Visitor(running.port, "ada:planted4713").get("/").body)
    running.process.stop()

    everything = running.process.output() + "".join(told)
    password = re.search(r"://[^:]*:([^@]+)@", environment["DATABASE_URL"])
    assert password
    secrets = [password[1], "planted4713", READER.partition(":")[2], OPERATOR.partition(":")[2]]
    assert "page" in everything
    for secret in (*secrets, environment["STRIPE_API_KEY"], environment["STRIPE_WEBHOOK_SECRET"]):
        assert secret not in everything


HEADER = {
    "PAYMENT_WORKER_CONSOLE_AUTH": "",
    "PAYMENT_WORKER_CONSOLE_OPERATORS": "grace",
    "PAYMENT_WORKER_CONSOLE_USER_HEADER": "X-Forwarded-User",
}


def test_a_proxy_is_believed_who_the_user_is(console: Start) -> None:
    port = console(settings=HEADER).port
    assert "grace, may act" in Visitor(port, headers={"X-Forwarded-User": "grace"}).get("/payments").body
    assert "ada, may read" in Visitor(port, headers={"X-Forwarded-User": "ada"}).get("/payments").body
    assert Visitor(port, headers={"X-Forwarded-User": " "}).get("/payments").status == 401
    assert Visitor(port, READER).get("/payments").status == 401


def test_nobody_but_the_proxy_is_believed(console: Start) -> None:
    port = console(settings={**HEADER, "PAYMENT_WORKER_CONSOLE_PROXIES": "10.0.0.0/8"}).port
    forged = {"X-Forwarded-User": "grace", "X-Forwarded-For": "10.0.0.1"}
    assert Visitor(port, headers=forged).get("/payments").status == 401
