"""Nothing of the console is shown to strangers, nothing in it runs or leads elsewhere, and no secret is on any page."""

import re
from collections.abc import Iterable, Sequence
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from payment_worker.console.access import MOST_BY_ADDRESS, MOST_IN_ALL, WINDOW_SECONDS, LoginThrottle
from payment_worker.devstack import programs
from payment_worker.devstack.ports import LOOPBACK
from payment_worker.settings import Settings, SettingsError
from tests.console.conftest import OPERATOR, PAGES, READER, Page, Running, Start, Visitor
from tests.harness.fork_server import forked

EVERY_PATH = (
    *(*PAGES, "/payments/11111111-1111-4111-8111-111111111111", "/nowhere"),
    *("/static/style.css", "/static/icon.svg", "/static/nowhere", "/static/../context.py"),
)


def test_it_does_not_start_without_authentication(environment: dict[str, str], tmp_path: Path) -> None:
    process = forked(programs.console(environment, directory=tmp_path, port=0)).start()
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
def test_an_unauthenticated_user_is_shown_nothing(shared_console: Running, path: str) -> None:
    page = shared_console.stranger.get(path)
    assert (page.status, page.body) == (401, "Not authenticated.")
    assert page.headers["www-authenticate"].startswith("Basic ")
    assert page.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("pair", ["ada:wrong", "ada:", "nobody:", "nobody:reads-only-4711", "\xff", ""])
def test_a_wrong_password_shows_nothing(shared_console: Running, pair: str) -> None:
    elsewhere = {"X-Forwarded-For": "198.51.100.7"}
    page = Visitor(shared_console.port, pair, elsewhere).get("/payments")
    assert (page.status, page.body) == (401, "Not authenticated.")


@pytest.mark.parametrize(
    "sent", ["Basic", "Basic ====", "Basic YWRh", "Bearer x", "Basic \u00e9", "basic " + "A" * 4000]
)
def test_whatever_stands_in_the_header_is_no_password(shared_console: Running, sent: str) -> None:
    assert Visitor(shared_console.port, headers={"authorization": sent}).get("/").status == 401


@pytest.mark.parametrize("host", ["x/healthz?", "x/healthz#", "/healthz", "x/static/style.css?"])
def test_a_forged_host_makes_no_page_public(shared_console: Running, host: str) -> None:
    page = Visitor(shared_console.port, headers={"Host": host}).get("/payments")
    assert (page.status, page.body, page.headers["cache-control"]) == (401, "Not authenticated.", "no-store")


def test_only_its_health_is_public(shared_console: Running) -> None:
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


def test_no_page_and_no_line_of_the_log_shows_a_secret(console: Start, environment: dict[str, str]) -> None:
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
    with closing(HTTPConnection(LOOPBACK, port, timeout=30)) as connection:
        connection.putrequest("GET", "/payments")
        for name in ("grace", "ada"):
            connection.putheader("X-Forwarded-User", name)
        connection.endheaders()
        assert connection.getresponse().status == 401


def test_nobody_but_the_proxy_is_believed(console: Start) -> None:
    proxies = {"PAYMENT_WORKER_CONSOLE_AUTH": OPERATOR, "PAYMENT_WORKER_CONSOLE_PROXIES": "10.0.0.0/8"}
    running = console(settings={**HEADER, **proxies})
    forged = {"X-Forwarded-User": "grace", "X-Forwarded-For": "10.0.0.1"}
    assert Visitor(running.port, headers=forged).get("/payments").status == 401
    assert [_from(running, f"198.51.100.{n}").status for n in range(11)] == [401] * 10 + [429]


GUESS = "grace:guess"


def _from(running: Running, address: str, pair: str = GUESS) -> Page:
    return Visitor(running.port, pair, {"X-Forwarded-For": address}).get("/payments")


def test_after_ten_wrong_passwords_an_address_has_to_wait(console: Start) -> None:
    running = console()
    assert [_from(running, "198.51.100.7").status for _ in range(11)] == [401] * 10 + [429]
    page = _from(running, "198.51.100.7", OPERATOR)
    assert (page.status, page.body) == (429, "Too many wrong passwords. Wait.")
    assert 0 < int(page.headers["retry-after"]) <= 300
    assert _is_safe(page)
    # Whoever writes addresses before the one that the proxy adds stays the same.
    assert _from(running, "192.0.2.1, 198.51.100.7", OPERATOR).status == 429
    assert _from(running, "198.51.100.8", OPERATOR).status == 200
    # What is no address, such as one with a port, gives nobody another address for each guess.
    assert [_from(running, f"198.51.100.9:{n}").status for n in range(11)] == [401] * 10 + [429]
    assert running.stranger.get("/payments").status == 401
    assert running.stranger.get("/healthz").status == 200


def _counted(throttle: LoginThrottle, addresses: Iterable[str]) -> Sequence[bool]:
    """Counts a wrong password from each; whether it was looked at."""
    looked_at = []
    for address in addresses:
        looked_at.append(not throttle.wait_seconds(address))
        if looked_at[-1]:
            throttle.count(address, is_right=False)
    return looked_at


def test_from_many_addresses_a_hundred_guesses_are_checked_and_operators_still_get_in() -> None:
    throttle = LoginThrottle()
    throttle.count("203.0.113.1", is_right=True)
    addresses = [f"198.51.{n}.7" for n in range(MOST_IN_ALL + 1)]
    assert _counted(throttle, addresses) == [True] * MOST_IN_ALL + [False]
    assert throttle.wait_seconds("192.0.2.1") > 0
    assert throttle.wait_seconds("203.0.113.1") == 0
    assert _counted(throttle, ["203.0.113.1"] * 11) == [True] * MOST_BY_ADDRESS + [False]


def test_the_addresses_of_one_network_of_ipv6_are_one() -> None:
    throttle = LoginThrottle()
    addresses = [f"2001:db8::{n}" for n in range(11)]
    assert _counted(throttle, addresses) == [True] * MOST_BY_ADDRESS + [False]
    assert throttle.wait_seconds("2001:db8:0:1::1") == throttle.wait_seconds("::ffff:192.0.2.1") == 0


def test_old_guesses_are_forgotten() -> None:
    now = 1000.0
    throttle = LoginThrottle(seconds=lambda: now)
    for _ in range(MOST_BY_ADDRESS):
        throttle.count("192.0.2.1", is_right=False)
        now += 1
    assert throttle.wait_seconds("192.0.2.1") == WINDOW_SECONDS - MOST_BY_ADDRESS
    now = 1000.0 + WINDOW_SECONDS
    assert throttle.wait_seconds("192.0.2.1") == 0
