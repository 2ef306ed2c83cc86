"""Creates the Redis client from `REDIS_URL`, for one server or a sentinel group."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelManagedConnection

from payment_worker.redis.scripts import Script, ScriptRunner

USUAL_MASTER: Final = "mymaster"
"""What Redis's own documentation calls it."""

_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379


class Client(redis.Redis):
    """redis-py's client, whose scripts share a connection that is kept."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - whatever redis-py takes
        super().__init__(**options)
        self._scripts = ScriptRunner(self.connection_pool)

    def register_script(self, script: str) -> Callable[..., Any]:  # type: ignore[override] # less than redis-py's
        """The script, to be called with `keys` and `args`."""
        return partial(self._scripts.run, Script(script))


class MasterConnection(SentinelManagedConnection):
    """A connection to the master, closed where an answer is not read to its end, as any other connection is.

    redis-py 8.1 keeps it, and returns the answer that came too late as the answer to the next command (redis-py#4292).
    """

    def read_response(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as above
        """An answer."""
        return super().read_response(*args, **{"disconnect_on_error": True, **options})


def redis_client(url: str, *, timeout_seconds: float) -> Any:  # noqa: ANN401 - redis-py's types say async or not
    """A client that reports within about this time that Redis is unreachable. It connects on first use.

    One retry is for a stale connection; by default there would be three, with pauses.
    """
    options: dict[str, Any] = {
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        "retry": Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    }
    if not url.startswith("sentinel://"):
        return Client.from_url(_for_redis_py(url), **options)
    urls = [urlsplit(each) for each in url.split(";")]
    query = dict(parse_qsl(urls[-1].query))
    sentinels: Any = cast("Any", Sentinel)(
        [(str(each.hostname), each.port or _SENTINEL_PORT) for each in urls], sentinel_kwargs=options
    )
    return sentinels.master_for(
        query.get("master_name", USUAL_MASTER),
        redis_class=Client,
        connection_class=MasterConnection,
        db=int(urls[0].path.strip("/") or 0),
        username=_unquoted(urls[0].username),
        password=_unquoted(urls[0].password),
        **options,
    )


def hosts(url: str) -> str:
    """Hosts and ports, or the socket, for messages: without user and password."""
    urls = [urlsplit(each) for each in url.split(";")]
    if urls[0].scheme == "unix":
        return urls[0].path
    default_port = _SENTINEL_PORT if urls[0].scheme == "sentinel" else _PORT
    return ", ".join(f"{each.hostname or 'localhost'}:{each.port or default_port}" for each in urls)


def _for_redis_py(url: str) -> str:
    """The same address in redis-py's words: of kombu's two for a certificate that is required it knows one."""
    address, separator, query = url.partition("?")
    return address + separator + query.replace("ssl_cert_reqs=CERT_REQUIRED", "ssl_cert_reqs=required")


def _unquoted(text: str | None) -> str | None:
    return unquote(text) if text else None
