"""Validates the host and port of an address."""

import re
from ipaddress import AddressValueError, IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

_MOST: Final = 65_535


def check_host(text: str) -> None:
    """Check `host`, `host:port` or `[IPv6]:port`; none at all is right, too.

    Raises:
        ValueError: says what to write instead.
    """
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")) or not _is_ipv6(host):
            raise ValueError("an IPv6 address stands in brackets, and the port behind them: [::1]:1234")
        check_port(rest[1:])
        return
    host, _, port = text.partition(":")
    if ":" in port:
        if _is_ipv6(text):
            raise ValueError("an IPv6 address needs brackets: [::1]")
        raise ValueError("user and password: write @ as %40, : as %3A and / as %2F")
    if re.search(r"[\[\]\\^`{}|<>\"']", host):
        raise ValueError("a host is a name or an address")
    check_port(port)


def check_port(text: str) -> None:
    """Check a port; none at all is right, too.

    Raises:
        ValueError: it is none.
    """
    if text and not (re.fullmatch(r"\d{1,5}", text, re.ASCII) and 1 <= int(text) <= _MOST):
        raise ValueError(
            f"a port is a number from 1 to {_MOST}; in user and password write : as %3A and / as %2F"
        )


def is_open_http(base: str) -> bool:
    """Whether what is sent there passes a network unencrypted."""
    parts = urlsplit(base)
    return parts.scheme == "http" and not _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text.partition("%")[0])
    except AddressValueError:
        return False
    return True
