"""Validates a Redis URL and normalises its spelling, without repeating its value in errors.

TCP is `redis://` or `rediss://`, a socket is `unix:///path?db=N`, sentinels are `sentinel://…;sentinel://…`.
"""

import re
from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from payment_worker.settings.ports import check_host

SCHEMES: Final[Mapping[str, str]] = {
    "redis": "redis",
    "valkey": "redis",
    "rediss": "rediss",
    "valkeys": "rediss",
    "sentinel": "sentinel",
    "unix": "unix",
    "redis+socket": "unix",
    "valkey+socket": "unix",
    "socket": "unix",
}
"""What an address may begin with, and what that is called here."""

_STRICT: Final = ("CERT_REQUIRED", "required")
_TLS: Final = frozenset({"ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
_PARAMETERS: Final[Mapping[str, Collection[str]]] = {
    "redis": (),
    "rediss": _TLS,
    "sentinel": ("master_name",),
    "unix": ("db", "virtual_host"),
}


def normal(url: str) -> str:
    """The address in the spelling that this program reads.

    Raises:
        ValueError: says what to write instead.
    """
    given = url.partition("://")[0]
    scheme = SCHEMES.get(given)
    if scheme is None:
        raise ValueError(
            "must begin with redis://, rediss:// or sentinel://"
            " (valkey://, valkeys://, unix:// and redis+socket:// are taken too)"
        )
    _check_text(url)
    if scheme == "sentinel":
        return ";".join(_sentinel(part) for part in url.split(";"))
    return _one(f"{scheme}{url.removeprefix(given)}", scheme)


def _sentinel(url: str) -> str:
    if not url.startswith("sentinel://"):
        raise ValueError("each sentinel is sentinel://host:port, and ; stands between two")
    return _one(url, "sentinel")


def _one(url: str, scheme: str) -> str:
    address, _, query = url.partition("://")[2].partition("?")
    netloc, slash, path = address.partition("/")
    if "@" in path or "@" in query:
        raise ValueError("user and password: write / as %2F and ? as %3F")
    user, _, host = netloc.rpartition("@")
    parameters = _parameters(query, scheme)
    if scheme == "unix":
        return _socket(f"{user}@" if user else "", host, f"{slash}{path}", parameters)
    check_host(host)
    _check_number(path)
    if scheme == "rediss":
        parameters = _tls(parameters)
    mark = "?" if parameters else ""
    return f"{scheme}://{address}{mark}{urlencode(parameters, safe='/')}"


def _check_text(url: str) -> None:
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        raise ValueError("holds a blank or a control character: write a blank as %20")
    if "#" in url:
        raise ValueError("write # as %23")
    try:
        urlsplit(url)
    except ValueError:
        raise ValueError(
            "write [, ] and what is not ASCII percent-encoded, but for the brackets of IPv6"
        ) from None


def _parameters(query: str, scheme: str) -> dict[str, str]:
    given = dict(parse_qsl(query, keep_blank_values=True))
    allowed = _PARAMETERS[scheme]
    for name in given:
        if name not in allowed:
            shown = name if re.fullmatch(r"[a-z_]{2,32}", name) else "one parameter"
            known = f"; known are {', '.join(sorted(allowed))}" if allowed else ""
            raise ValueError(f"{shown} behind ? is not taken, leave it out{known}")
    return given


def _socket(user: str, host: str, path: str, parameters: dict[str, str]) -> str:
    number = parameters.get("db", parameters.get("virtual_host", "0"))
    if host or len(path) < 2:  # noqa: PLR2004 - a slash and a name
        raise ValueError("a socket is unix:///path/to/socket?db=0, with three slashes")
    _check_number(number)
    return f"unix://{user}{path}?db={number or 0}"


def _check_number(path: str) -> None:
    if not re.fullmatch(r"\d{0,9}", path, re.ASCII):
        raise ValueError("behind host and port stands the database's number: redis://host:6379/0")


def _tls(parameters: dict[str, str]) -> dict[str, str]:
    if parameters.get("ssl_cert_reqs", "required") not in _STRICT:
        raise ValueError("leave ssl_cert_reqs out, else any certificate is accepted")
    # kombu's bare rediss:// accepts any certificate (seen with 5.7.0).
    return {**parameters, "ssl_cert_reqs": "CERT_REQUIRED"}


def as_kombu_says(url: str) -> str:
    """The same address as kombu and Celery spell it: a socket of theirs has another scheme and parameter."""
    if not url.startswith("unix://"):
        return url
    return url.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)
