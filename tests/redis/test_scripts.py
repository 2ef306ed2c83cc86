"""A script's answer is its own, whatever happened to Redis or to the connection that is kept for scripts."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import pytest
import redis

from payment_worker.devstack.ports import LOOPBACK
from payment_worker.devstack.servers.valkey import Valkey
from payment_worker.devstack.waiting import wait_until
from payment_worker.redis.client import redis_client as connected

ECHO = "return ARGV[1]"
ONE = "?max_connections=1"
"""A connection that is neither kept nor given back would be missed at the next command."""

Connects = Callable[..., Any]

FORKS = f"""
import os, sys
from payment_worker.redis.client import redis_client
echo = redis_client(sys.argv[1], timeout_seconds=5).register_script({ECHO!r})
echo(args=["before"])
child = os.fork()
echoed = {{echo(args=[str(n) + str(child)]) == (str(n) + str(child)).encode() for n in range(300)}}
if child:
    assert os.waitpid(child, 0)[1] == 0
assert echoed == {{True}}
"""


@pytest.fixture
def connect() -> Iterator[Connects]:
    """Makes clients that wait for a fifth of a second."""
    with ExitStack() as opened:
        yield lambda url: opened.enter_context(closing(connected(url, timeout_seconds=0.2)))


@pytest.fixture(params=["one server", "sentinels"])
def client(request: pytest.FixtureRequest, own_valkey: Valkey, connect: Connects) -> Any:  # noqa: ANN401 redis-py's types say async or not
    """A client of `own_valkey`, which has it by its address or from a sentinel."""
    if request.param == "one server":
        return connect(own_valkey.url() + ONE)
    made = connect(f"sentinel://{request.getfixturevalue('sentinel')}/0?master_name=payments")
    wait_until(made.ping)
    return made


def test_a_redis_that_was_started_anew_runs_the_script_at_once(
    client: redis.Redis, own_valkey: Valkey
) -> None:
    echo = client.register_script(ECHO)
    assert echo(args=["1"]) == b"1"
    own_valkey.restart()
    assert echo(args=["2"]) == b"2"


def test_a_redis_that_forgot_its_scripts_is_told_the_text(
    connect: Connects, redis_url: str, redis_client: "redis.Redis"
) -> None:
    echo = connect(redis_url + ONE).register_script(ECHO)
    for answer in ("1", "2"):
        redis_client.script_flush()
        assert echo(args=[answer]) == answer.encode()


def test_an_answer_that_came_too_late_is_not_the_next_commands(
    client: redis.Redis, own_valkey: Valkey
) -> None:
    count = client.register_script("return redis.call('INCR', KEYS[1])")
    assert count(keys=["n"]) == 1
    own_valkey.pause()
    try:
        with pytest.raises(redis.TimeoutError):
            count(keys=["n"])
    finally:
        own_valkey.resume()
    # Redis still ran what came too late, once.
    assert [count(keys=["n"]) for _ in range(2)] == [3, 4]


def test_a_script_that_fails_leaves_the_connection_to_the_next(connect: Connects, redis_url: str) -> None:
    client = connect(redis_url + ONE)
    for _ in range(2):
        with pytest.raises(redis.ResponseError):
            client.register_script("return redis.call('NONE')")()
    assert client.register_script(ECHO)(args=["next"]) == b"next"


def test_threads_share_the_scripts_and_each_has_its_own_answer(connect: Connects, redis_url: str) -> None:
    echo = connect(redis_url).register_script(ECHO)
    with ThreadPoolExecutor(8) as threads:
        answers = threads.map(lambda n: echo(args=[n]), range(2000))
    assert list(answers) == [b"%d" % n for n in range(2000)]


def test_a_process_that_was_forked_meanwhile_has_a_connection_of_its_own(redis_url: str) -> None:
    subprocess.run([sys.executable, "-c", FORKS, redis_url], check=True, timeout=20)


@pytest.mark.parametrize("old_master", ["is gone", "is still there"])
def test_when_the_master_moves_scripts_follow(
    old_master: str, sentinel: str, own_valkey: Valkey, connect: Connects
) -> None:
    client = connect(f"sentinel://{sentinel}/0?master_name=payments")
    wait_until(lambda: client.set("who", "first"))
    who = client.register_script("return redis.call('GET', KEYS[1])")
    assert who(keys=["who"]) == b"first"
    with Valkey(append_only=False) as second, closing(redis.Redis.from_url(second.url())) as directly:
        directly.set("who", "second")
        host, port = sentinel.split(":")
        with closing(redis.Redis(host=host, port=int(port))) as watcher:
            watcher.sentinel_remove("payments")
            watcher.sentinel_monitor("payments", LOOPBACK, second.port, 1)
        if old_master == "is gone":
            own_valkey.kill()
        else:  # another command of the same client's asks the sentinels again
            client.connection_pool.disconnect(inuse_connections=False)
            assert client.get("who") == b"second"
        assert who(keys=["who"]) == b"second"
