"""Classifies Redis errors by their error word: an outage, or a server that has to be configured.

Neither counts against a message. redis-py's classes do not tell them apart: a wrong password is a ConnectionError.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """Whether it passes or has to be configured."""

    OUTAGE = "outage"
    """Passes by itself, or is ended by Redis' operator."""
    CONFIGURATION = "configuration"
    """Lasts until REDIS_URL, an ACL or a certificate is changed."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why Redis cannot serve."""

    word: str
    """Redis' error word, such as `READONLY`; empty if it did not respond."""
    meaning: str
    kind: Kind

    def __str__(self) -> str:
        """For error messages."""
        return f"{self.meaning} ({self.word})" if self.word else self.meaning


_WORDS: Final[Mapping[str, tuple[str, Kind]]] = {
    "READONLY": ("this is a read-only replica", Kind.OUTAGE),
    "OOM": ("memory is full: maxmemory is reached", Kind.OUTAGE),
    "MISCONF": ("writes are refused because its disk cannot be written", Kind.OUTAGE),
    "LOADING": ("it loads its data after a start", Kind.OUTAGE),
    "MASTERDOWN": ("this is a replica whose primary is unreachable", Kind.OUTAGE),
    "CLUSTERDOWN": ("the cluster is down", Kind.OUTAGE),
    "TRYAGAIN": ("the cluster moves slots", Kind.OUTAGE),
    "NOREPLICAS": ("too few replicas are connected", Kind.OUTAGE),
    "BUSY": ("a script runs for too long", Kind.OUTAGE),
    "UNBLOCKED": ("it became a replica meanwhile", Kind.OUTAGE),
    "NOPERM": ("the access list does not permit a command, key or channel", Kind.CONFIGURATION),
    "WRONGPASS": ("wrong user or password", Kind.CONFIGURATION),
    "NOAUTH": ("a password is required", Kind.CONFIGURATION),
    "MOVED": ("this is a node of a cluster, which is not supported", Kind.CONFIGURATION),
    "WRONGTYPE": ("a key of ours holds something else: delete it", Kind.CONFIGURATION),
    "DENIED": ("protected mode refuses other hosts", Kind.CONFIGURATION),
}

_CLASSES: Final[Mapping[str, str]] = {
    "ReadOnlyError": "READONLY",
    "OutOfMemoryError": "OOM",
    "BusyLoadingError": "LOADING",
    "MasterDownError": "MASTERDOWN",
    "ClusterDownError": "CLUSTERDOWN",
    "TryAgainError": "TRYAGAIN",
    "MovedError": "MOVED",
    "NoPermissionError": "NOPERM",
    "AuthenticationError": "WRONGPASS",
}
"""redis-py cuts these words off; since 8 it keeps them as `status_code`."""

_TEXTS: Final[tuple[tuple[str, str, Kind], ...]] = (
    ("max number of clients reached", "too many connections", Kind.OUTAGE),
    ("DB index is out of range", "there is no database of this number", Kind.CONFIGURATION),
    ("last possible ID", "the stream has given its last id: delete it", Kind.CONFIGURATION),
    ("No master found", "the sentinels know no primary", Kind.OUTAGE),
    ("Name or service not known", "host name unknown", Kind.CONFIGURATION),
    ("Temporary failure in name resolution", "host name unknown", Kind.OUTAGE),
    ("No address associated", "host name unknown", Kind.CONFIGURATION),
    ("certificate", "TLS failed: the certificate is not trusted", Kind.CONFIGURATION),
    ("SSL", "TLS failed", Kind.CONFIGURATION),
    ("refused", "nothing listens", Kind.OUTAGE),
    ("No such file", "nothing listens", Kind.OUTAGE),
    ("imed out", "no answer in time", Kind.OUTAGE),
    ("Timeout", "no answer in time", Kind.OUTAGE),
)
"""Errors of the system when Redis did not respond. Their text is not repeated: it may contain an address."""


def trouble(error: BaseException) -> Trouble:
    """Why Redis cannot serve, from an error of redis-py or kombu, or one of its causes."""
    errors = list(_chain(error))
    for each in errors:
        code = _error_code(each)
        if code in _WORDS:
            return Trouble(code, *_WORDS[code])
    text = " ".join(f"{type(each).__name__} {each}" for each in errors)
    for phrase, meaning, kind in _TEXTS:
        if phrase in text:
            return Trouble("", meaning, kind)
    return Trouble("", f"connection lost ({type(errors[-1]).__name__})", Kind.OUTAGE)


def _chain(error: BaseException) -> Iterator[BaseException]:
    visited: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in visited:
        visited.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _error_code(error: BaseException) -> str:
    first_word, _, _ = str(error).partition(" ")
    status_code = getattr(error, "status_code", None) or ""
    return (
        status_code
        if status_code in _WORDS
        else first_word
        if first_word in _WORDS
        else _CLASSES.get(type(error).__name__, "")
    )
