"""The access list that the docs give apps lets them send requests, and nothing else that Redis can do."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import redis

from payment_worker.devstack.servers.valkey import Valkey
from tests.harness.access_list import as_documented_user
from tests.harness.producer import Producer

WITHOUT_LOGIN = {"auth", "hello", "quit", "reset"}
"""Redis lets anybody run these: one logs in with them."""


@pytest.fixture
def address(own_valkey: Valkey) -> str:
    """Redis as an app reaches it."""
    return as_documented_user(own_valkey.url(), "shop")


@pytest.fixture
def admin(own_valkey: Valkey, address: str) -> Iterator["redis.Redis"]:
    assert address
    with closing(redis.Redis.from_url(own_valkey.url(), decode_responses=True)) as client:
        yield client


def test_an_app_can_send(admin: "redis.Redis", address: str) -> None:
    with closing(Producer(address)) as app:
        app.charge(payment_id="p1")
        app.refund(refund_id="r1")

    assert [admin.llen(queue) for queue in ("charges", "refunds")] == [1, 1]


def test_every_other_command_is_denied(admin: "redis.Redis") -> None:
    commands = dict(_commands(admin))
    assert {"client|kill", "client|pause", "flushall", "config|set", "keys", "rpop"} <= commands.keys()

    permitted = {name for name, arguments in commands.items() if _is_permitted(admin, name, arguments)}

    assert permitted - WITHOUT_LOGIN == {
        *("ping", "select", "client|setinfo", "multi", "exec", "lpush", "llen", "sadd", "smembers")
    }


@pytest.mark.parametrize("key", ["events", "maintenance", "unacked", "payment_worker.events", "celery"])
def test_every_other_key_is_denied(key: str, admin: "redis.Redis") -> None:
    assert _is_permitted(admin, "lpush", ["charges", "a"])
    assert not _is_permitted(admin, "lpush", [key, "a"])


def _commands(admin: "redis.Redis") -> Iterator[tuple[str, list[str]]]:
    """Every command, and every part of one, with as many arguments as it wants at least."""
    admin.response_callbacks.pop("COMMAND", None)  # as Redis says it: redis-py leaves the parts out
    for reply in admin.execute_command("COMMAND"):  # type: ignore[no-untyped-call]
        yield from _described(reply)


def _described(reply: Any) -> Iterator[tuple[str, list[str]]]:  # noqa: ANN401
    name, arity, parts = reply[0], abs(reply[1]), reply[9] if len(reply) > 9 else []
    for part in parts:
        yield from _described(part)
    if not parts:
        words = name.count("|") + 1
        yield name, ["charges"] * (arity - words)


def _is_permitted(admin: "redis.Redis", name: str, arguments: list[str]) -> bool:
    try:
        said = admin.execute_command("ACL", "DRYRUN", "shop", *name.split("|"), *arguments)  # type: ignore[no-untyped-call]
    except redis.ResponseError as error:
        pytest.fail(f"{name}: {error}")
    return str(said) == "OK"


@pytest.mark.parametrize(
    "command",
    [
        "XADD payment_worker.events * event {}",
        "XDEL payment_worker.events 1-1",
        "XTRIM payment_worker.events MAXLEN 0",
        "XGROUP DESTROY payment_worker.events shop",
        "DEL payment_worker.events",
        "LPUSH charges {}",
        "GET payment_worker:publish",
    ],
)
def test_who_reads_outcomes_can_neither_publish_nor_delete_any_nor_charge(
    command: str, own_valkey: Valkey
) -> None:
    with (
        closing(redis.Redis.from_url(as_documented_user(own_valkey.url(), "reader"))) as reader,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        reader.execute_command(*command.split())  # type: ignore[no-untyped-call]
