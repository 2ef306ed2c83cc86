"""A shop's order and its charge are committed together: with Django and with FastAPI, whether Redis is up or not."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from payment_worker.devstack.ports import answers, free_port
from payment_worker.devstack.processes import Process
from tests.foreign.conftest import EXAMPLES, installed
from tests.harness.rows import Rows

NO_REDIS = "redis://127.0.0.1:1/0"
LATER = "UPDATE charge SET created_at = created_at - interval '2 minutes'"
Consume = Callable[..., Process]
Worker = Callable[..., Process]


@pytest.fixture(scope="module")
def django_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    requirements = EXAMPLES / "django" / "requirements.txt"
    packages = ("django", "asgiref", "sqlparse", "pytest-django")
    return installed(requirements, tmp_path_factory.mktemp("django"), *packages)


@pytest.fixture(scope="module")
def fastapi_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    requirements = EXAMPLES / "fastapi" / "requirements.txt"
    return installed(requirements, tmp_path_factory.mktemp("fastapi"), "fastapi")


Manage = Callable[..., str]
ORDER = "from shop.charges import place_order; "
ORDER += "place_order(amount=1099, currency='EUR', payment_method='pm_card_visa')"
ROLLED_BACK = f"""
from django.db import transaction
with transaction.atomic():
    {ORDER}
    transaction.set_rollback(True)
"""


@pytest.fixture
def django_shop(django_path: str, shop_environment: dict[str, str]) -> Manage:
    """Runs Python in the Django shop's directory."""

    def run(*arguments: str, **settings: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=EXAMPLES / "django",
            env={**shop_environment, "PYTHONPATH": django_path, "PYTHONDONTWRITEBYTECODE": "1", **settings},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def manage(django_shop: Manage) -> Manage:
    """Runs the Django shop's commands: `manage("migrate")`."""
    return partial(django_shop, "manage.py")


@pytest.mark.long
@pytest.mark.timeout(300)  # it begins with pip, and starts a stack of its own
def test_the_django_shops_own_tests_pass(django_shop: Manage) -> None:
    # Its conftest takes no REDIS_URL: one that answers to nobody shows that.
    printed = django_shop(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_django", REDIS_URL=NO_REDIS
    )
    assert "3 passed" in printed


@pytest.mark.long
def test_an_order_in_django_is_charged_exactly_if_it_is_committed(
    manage: Manage, worker: Worker, consume: Consume, rows: Rows, shop_rows: Rows
) -> None:
    worker()
    manage("migrate", "--run-syncdb", "--verbosity=0")
    manage("shell", "-c", f"{ROLLED_BACK}\n{ORDER}")
    rows.wait_for("SELECT 1 FROM payment WHERE status = 'SUCCEEDED'")

    manage("shell", "-c", ORDER, REDIS_URL=NO_REDIS)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        manage("shell", "-c", ORDER, REDIS_URL=f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
    shop_rows(LATER)
    with consume():
        shop_rows.wait_for("SELECT 1 FROM charge WHERE outcome = 'PaymentSucceeded'")
        assert "2 sent again" in manage("send_charges")
        shop_rows.wait_for("SELECT 1 FROM charge GROUP BY outcome HAVING count(*) = 3")

    orders = [str(row["id"]) for row in shop_rows("SELECT id FROM shop_order ORDER BY id")]
    assert [row["order_id"] for row in rows("SELECT order_id FROM payment ORDER BY created_at")] == orders


class FastAPIShop:
    """The FastAPI shop: as a server, and as the command that sends again."""

    def __init__(self, environment: dict[str, str], directory: Path) -> None:
        self._environment, self._directory = environment, directory

    @contextmanager
    def serving(self, **settings: str) -> Iterator[Callable[..., Any]]:
        """Calls it while it serves: `call("/orders", body)`."""
        port = free_port()
        shop = Process(
            [sys.executable, "-m", "uvicorn", "shop:app", "--port", str(port)],
            log=self._directory / f"shop{port}.log",
            ready=lambda: answers(port),
            environ={**self._environment, **settings},
            cwd=EXAMPLES / "fastapi",
        )
        with shop.start():
            shop.wait_ready()
            yield partial(_call, port)

    def send_unanswered(self) -> str:
        command = [sys.executable, "shop.py"]
        where = EXAMPLES / "fastapi"
        return subprocess.run(
            command, cwd=where, env=self._environment, capture_output=True, text=True, check=True, timeout=60
        ).stdout


def _call(port: int, path: str, body: object = None) -> Any:  # noqa: ANN401 JSON
    data = None if body is None else json.dumps(body).encode()
    request = Request(f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"})
    with urlopen(request, timeout=20) as answer:  # noqa: S310 our own
        return json.load(answer)


@pytest.fixture
def shop(fastapi_path: str, shop_environment: dict[str, str], tmp_path: Path) -> FastAPIShop:
    own = {"PYTHONPATH": fastapi_path, "PYTHONDONTWRITEBYTECODE": "1"}
    return FastAPIShop({**shop_environment, **own}, tmp_path)


@pytest.mark.long
def test_an_order_in_fastapi_is_charged_at_once_or_when_redis_is_back(
    shop: FastAPIShop, worker: Worker, consume: Consume, shop_rows: Rows
) -> None:
    worker()
    purchase = {"amount": 1099, "currency": "EUR", "payment_method": "pm_card_visa"}
    with shop.serving() as call:
        order_id = call("/orders", purchase)["order_id"]
        with consume():
            shop_rows.wait_for("SELECT 1 FROM charge WHERE outcome = 'PaymentSucceeded'")
        assert call(f"/orders/{order_id}")["outcome"] == "PaymentSucceeded"

    with shop.serving(REDIS_URL=NO_REDIS) as call:
        call("/orders", purchase)
    shop_rows(LATER)
    assert shop.send_unanswered() == "1 sent again\n"
    with consume():
        shop_rows.wait_for("SELECT 1 FROM charge GROUP BY outcome HAVING count(*) = 2")
