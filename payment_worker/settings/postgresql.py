"""Validates `DATABASE_URL` by libpq's rules, without repeating its value in errors."""

import re
from typing import Final
from urllib.parse import unquote

from payment_worker.settings.ports import check_host, check_port

_PARAMETERS: Final = frozenset(
    {
        "application_name",
        "channel_binding",
        "client_encoding",
        "connect_timeout",
        "dbname",
        "fallback_application_name",
        "gssdelegation",
        "gssencmode",
        "gsslib",
        "host",
        "hostaddr",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "krbsrvname",
        "load_balance_hosts",
        "options",
        "passfile",
        "password",
        "port",
        "require_auth",
        "requirepeer",
        "service",
        "sslcert",
        "sslcertmode",
        "sslcompression",
        "sslcrl",
        "sslcrldir",
        "sslkey",
        "sslmode",
        "sslnegotiation",
        "sslpassword",
        "sslrootcert",
        "sslsni",
        "ssl_max_protocol_version",
        "ssl_min_protocol_version",
        "target_session_attrs",
        "tcp_user_timeout",
        "user",
    }
)
"""libpq's, which a URL may carry."""

_CHOICES: Final = {
    "channel_binding": "disable prefer require",
    "gssencmode": "disable prefer require",
    "load_balance_hosts": "disable random",
    "sslcertmode": "disable allow require",
    "sslmode": "disable allow prefer require verify-ca verify-full",
    "target_session_attrs": "any read-write read-only primary standby prefer-standby",
}
_NUMBERS: Final = frozenset(
    {
        "connect_timeout",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "tcp_user_timeout",
    }
)
_MOST_HOSTS: Final = 20
_URI: Final = re.compile(r"(?:[^@/]*@)?(?P<hosts>[^/?]*)(?:/[^?]*)?(?:\?(?P<query>.*))?")
"""As libpq cuts it: what stands before the first @, unless a / comes first, is user and password."""


def check(url: str) -> None:
    """Reject what libpq would reject.

    Raises:
        ValueError: with what to write instead.
    """
    scheme, found, rest = url.partition("://")
    if scheme.startswith(("postgresql+", "postgres+")):
        raise ValueError("must begin with postgresql://, without the name of a driver")
    if not found or scheme not in {"postgresql", "postgres"}:
        raise ValueError("must begin with postgresql://")
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        raise ValueError("holds a blank or a control character: write a blank as %20")
    if re.search(r"%(?![0-9A-Fa-f]{2})|%00", url):
        raise ValueError("write % as %25")
    match = _URI.fullmatch(rest)
    if match is None or "@" in match["hosts"]:
        raise ValueError("user and password: write @ as %40, / as %2F and ? as %3F")
    _check_hosts(match["hosts"])
    _check_query(match["query"] or "")


def _check_hosts(hosts: str) -> None:
    names = hosts.split(",")
    if len(names) > _MOST_HOSTS:
        raise ValueError(f"names more than {_MOST_HOSTS} hosts")
    for each in names:
        check_host(each)


def _check_query(query: str) -> None:
    for part in query.split("&") if query else ():
        name, equals, value = part.partition("=")
        name, value = unquote(name), unquote(value)
        if not equals or ("=" in value and name not in {"options", "password", "sslpassword"}):
            raise ValueError("each parameter behind ? is name=value, and & stands between two")
        if "=" in part.partition("=")[2]:
            raise ValueError(f"{_shown(name)}: write = as %3D within a value")
        _check_parameter(name, value)


def _check_parameter(name: str, value: str) -> None:
    if (name, value) == ("ssl", "true"):
        return  # JDBC's, which libpq knows
    if name not in _PARAMETERS:
        raise ValueError(f"PostgreSQL's libpq knows no parameter {_shown(name)}: leave it out")
    if name in _CHOICES and value not in _CHOICES[name].split():
        raise ValueError(f"{name} must be one of {', '.join(_CHOICES[name].split())}")
    if name in _NUMBERS and not re.fullmatch(r"\d{1,9}", value, re.ASCII):
        raise ValueError(f"{name} must be a whole number")
    if name == "port":
        for port in value.split(","):
            check_port(port)


def _shown(name: str) -> str:
    """A parameter's name if it looks like one: it may be part of a password."""
    return name if re.fullmatch(r"[a-z_]{2,32}", name) else "of that name"
