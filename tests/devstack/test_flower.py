"""Flower shows what the workers do to those who have its password, and lets nobody do anything."""

import base64
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import redis

from payment_worker.devstack import programs
from payment_worker.devstack.demo.example_app import Shop
from payment_worker.devstack.ports import free_port
from payment_worker.devstack.processes import Process, ProcessEndedError
from payment_worker.devstack.servers.valkey import Valkey
from payment_worker.devstack.waiting import wait_until
from tests.harness.books import told
from tests.harness.length import long

_LOGIN = "operator:a password"
_PROVIDER = "flower.views.auth.GoogleAuth2LoginHandler"
_OPERATORS = "operator@shop.example"


@pytest.fixture(scope="module")
def flower(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    settings = {"REDIS_URL": valkey.url(), "FLOWER_BASIC_AUTH": _LOGIN}
    with programs.flower(settings, directory=tmp_path_factory.mktemp("flower"), port=port) as process:
        process.start().wait_ready()
        yield f"http://127.0.0.1:{port}"


def _status(url: str, *, login: str | None = None, method: str = "GET", body: object = None) -> int:
    return _answer(url, login=login, method=method, body=body)[0]


def _answer(
    url: str, *, login: str | None = None, method: str = "GET", body: object = None
) -> tuple[int, str]:
    headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if login else {}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(url, data, headers, method=method), timeout=10) as answer:  # noqa: S310 our own
            return int(answer.status), answer.read().decode(errors="replace")
    except HTTPError as error:
        with error:
            return error.code, ""


@pytest.mark.parametrize("page", ["/", "/workers", "/tasks/datatable", "/api/tasks", "/api/workers"])
def test_nobody_sees_it_without_the_password(flower: str, page: str) -> None:
    assert _status(flower + page) == HTTPStatus.UNAUTHORIZED
    assert _status(flower + page, login="operator:guess") == HTTPStatus.UNAUTHORIZED


def test_whoever_has_the_password_sees_the_workers(flower: str) -> None:
    assert _status(f"{flower}/workers", login=_LOGIN) == HTTPStatus.OK


@pytest.mark.parametrize(
    "action",
    [
        "task/send-task/payment_worker.charge",
        "task/async-apply/payment_worker.charge",
        "task/revoke/some-id",
        "worker/shutdown/worker@here",
        "worker/queue/cancel-consumer/worker@here?queue=charges",
    ],
)
def test_nobody_can_do_anything_through_it(flower: str, action: str) -> None:
    status = _status(f"{flower}/api/{action}", login=_LOGIN, method="POST", body={"args": []})
    assert status == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize(
    "settings",
    [
        {},
        long({"FLOWER_BASIC_AUTH": ""}),
        {"FLOWER_AUTH_PROVIDER": _PROVIDER},
        long({"FLOWER_AUTH_PROVIDER": _PROVIDER, "FLOWER_AUTH": ""}),
        {"FLOWER_AUTH": _OPERATORS},
    ],
    ids=str,
)
def test_it_does_not_start_open_to_everybody(
    valkey: Valkey, tmp_path: Path, settings: dict[str, str]
) -> None:
    environment = {"REDIS_URL": valkey.url(), **settings}
    with programs.flower(environment, directory=tmp_path, port=free_port()) as process:
        process.start()
        with pytest.raises(ProcessEndedError, match="does not start without a password"):
            process.wait_ready()


def test_whoever_starts_it_without_its_policy_gets_it_all_the_same(valkey: Valkey, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "celery", "--app", "payment_worker", "flower", f"--port={free_port()}"]
    environ = programs.clean_environment({"REDIS_URL": valkey.url()})
    log = tmp_path / "flower.log"
    with Process(command, log=log, environ=environ, cwd=tmp_path).start() as process:
        assert process.wait(60) != 0
    assert "does not start without a password" in log.read_text(encoding="utf-8")


def test_an_oauth_provider_and_whom_to_let_in_do_instead_of_a_password(
    valkey: Valkey, tmp_path: Path
) -> None:
    port = free_port()
    settings = {"REDIS_URL": valkey.url(), "FLOWER_AUTH_PROVIDER": _PROVIDER, "FLOWER_AUTH": _OPERATORS}
    with programs.flower(settings, directory=tmp_path, port=port) as process:
        process.start().wait_ready()
        with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as stranger:
            stranger.request("GET", "/api/workers")  # urlopen would go to the provider
            answer = stranger.getresponse()
        assert answer.status == HTTPStatus.FOUND
        assert str(answer.headers["Location"]).startswith("/login")


def test_its_password_may_come_from_a_file(valkey: Valkey, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{_LOGIN}\n", encoding="utf-8")
    port = free_port()
    settings = {"REDIS_URL": valkey.url(), "FLOWER_BASIC_AUTH_FILE": str(secret)}
    with programs.flower(settings, directory=tmp_path, port=port) as process:
        process.start().wait_ready()
        assert _status(f"http://127.0.0.1:{port}/", login=_LOGIN) == HTTPStatus.OK


def test_its_rows_begin_with_the_ids_of_payments(flower: str) -> None:
    _, page = _answer(f"{flower}/tasks", login=_LOGIN)
    assert re.findall(r'data-column="(\w+)"', page)[0] == "kwargs"


def test_it_shows_charges_by_their_payments_and_no_housekeeping(
    environment: dict[str, str],
    worker: Callable[..., Process],
    redis_client: "redis.Redis",
    tmp_path: Path,
) -> None:
    port = free_port()
    settings = {"REDIS_URL": environment["REDIS_URL"], "FLOWER_BASIC_AUTH": _LOGIN}
    with (
        programs.flower(settings, directory=tmp_path, port=port) as process,
        Shop(environment["REDIS_URL"]) as shop,
    ):
        process.start().wait_ready()
        worker()
        payment_id = shop.charge(1099)
        # So a task that is not listed has run before the refund does.
        wait_until(
            lambda: _published(redis_client, "PaymentSucceeded"), seconds=20, what="a published outcome"
        )
        refund_id = shop.refund(payment_id)
        listed = wait_until(lambda: _listed(port, "refund"), seconds=20, what="the refund in Flower")
    assert listed["charge"] == payment_id
    assert listed["refund"] == f"{payment_id} refund_id={refund_id}"
    assert "publish_events" not in listed


def _published(stream: "redis.Redis", kind: str) -> bool:
    return kind in {each["type"] for each in told(stream)}


def _listed(port: int, awaited: str) -> dict[str, str]:
    """What Flower's list shows of each task's arguments, once it has the awaited task."""
    query = "draw=1&start=0&length=50&order[0][column]=0&order[0][dir]=asc&columns[0][data]=name"
    answer = json.loads(_answer(f"http://127.0.0.1:{port}/tasks/datatable?{query}", login=_LOGIN)[1])
    shown = {each["name"].rpartition(".")[2]: each["kwargs"] for each in answer["data"]}
    return shown if awaited in shown else {}


def test_behind_a_sub_path_its_pages_and_all_they_need_are_below_it(valkey: Valkey, tmp_path: Path) -> None:
    port = free_port()
    settings = {"REDIS_URL": valkey.url(), "FLOWER_BASIC_AUTH": _LOGIN, "FLOWER_URL_PREFIX": "/flower"}
    with programs.flower(settings, directory=tmp_path, port=port) as process:
        process.start().wait_ready()
        _, page = _answer(f"http://127.0.0.1:{port}/flower/tasks", login=_LOGIN)
        needed = re.findall(r'(?:href|src)="(/[^"]*)"', page)
        assert len([each for each in needed if "/static/" in each]) > 5
        for path in needed:
            assert path.startswith("/flower/")
            assert _status(f"http://127.0.0.1:{port}{path}", login=_LOGIN) == HTTPStatus.OK
