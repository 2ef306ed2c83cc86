"""Creates the Redis client from `REDIS_URL`, for one server or a sentinel group."""

from typing import Any, Final, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

USUAL_MASTER: Final = "mymaster"
"""What Redis's own documentation calls it."""

_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379


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
        return redis.Redis.from_url(_as_redis_py_says(url), **options)
    parts = [urlsplit(each) for each in url.split(";")]
    query = dict(parse_qsl(parts[-1].query))
    watchers: Any = cast("Any", Sentinel)(
        [(str(each.hostname), each.port or _SENTINEL_PORT) for each in parts], sentinel_kwargs=options
    )
    return watchers.master_for(
        query.get("master_name", USUAL_MASTER),
        db=int(parts[0].path.strip("/") or 0),
        username=_unquoted(parts[0].username),
        password=_unquoted(parts[0].password),
        **options,
    )


def hosts(url: str) -> str:
    """Hosts and ports, or the socket, for messages: without user and password."""
    parts = [urlsplit(each) for each in url.split(";")]
    if parts[0].scheme == "unix":
        return parts[0].path
    usual = _SENTINEL_PORT if parts[0].scheme == "sentinel" else _PORT
    return ", ".join(f"{each.hostname or 'localhost'}:{each.port or usual}" for each in parts)


def _as_redis_py_says(url: str) -> str:
    """The same address in redis-py's words: of kombu's two for a certificate that is required it knows one."""
    address, mark, query = url.partition("?")
    return address + mark + query.replace("ssl_cert_reqs=CERT_REQUIRED", "ssl_cert_reqs=required")


def _unquoted(text: str | None) -> str | None:
    return unquote(text) if text else None
