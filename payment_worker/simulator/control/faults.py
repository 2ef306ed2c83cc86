"""Faults: which requests fail, how often, and how."""

import random
import re
from dataclasses import asdict, dataclass, field
from typing import Any

KINDS = frozenset(
    {
        "latency", "hang", "rate_limited", "lock_timeout", "rate_limited_html", "server_error",
        "server_error_unstored", "bad_gateway", "unavailable", "conflict", "reset", "cut_body",
        "cut_connection", "empty", "unauthorized", "forbidden", "retry_header", "bad_request", "not_found",
    }
)  # fmt: skip


class BadFaultError(ValueError):
    """What was posted describes no fault."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a fault may look at in a request."""

    method: str
    path: str
    endpoint: str | None
    account: str
    key: str | None
    params: dict[str, Any]
    metadata: dict[str, str]


@dataclass(slots=True)
class Fault:
    """One fault; docs/simulator.md tells the fields. None matches anything."""

    id: str
    kind: str
    when: str = "before"
    method: str | None = None
    path: str | None = None
    endpoint: str | None = None
    idempotency_key: str | None = None
    account: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    nth: int = 1
    times: int | None = 1
    probability: float = 1.0
    seconds: float = 1.0
    seen: int = 0
    applied: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise BadFaultError(f"kind must be one of {', '.join(sorted(KINDS))}")
        if self.when not in ("before", "after"):
            raise BadFaultError("when must be before or after")
        for pattern in (self.path, self.idempotency_key):
            re.compile(pattern or "")

    def matches(self, facts: Facts) -> bool:
        """Whether this is about that request."""
        return (
            self.method in (None, facts.method)
            and self.endpoint in (None, facts.endpoint)
            and self.account in (None, facts.account)
            and (self.path is None or re.search(self.path, facts.path) is not None)
            and (self.idempotency_key is None or re.search(self.idempotency_key, facts.key or "") is not None)
            and within(self.metadata, facts.metadata)
            and within(self.params, facts.params)
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def within(part: dict[str, Any], whole: dict[str, Any]) -> bool:
    """Whether every leaf of `part` is in `whole`, at the same place, as the same text."""
    for name, value in part.items():
        found = whole.get(name)
        if isinstance(value, dict):
            if not isinstance(found, dict) or not within(value, found):
                return False
        elif str(found) != str(value):
            return False
    return True


class Faults:
    """The faults in force, in the order they were added."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._count = 0
        self.by_id: dict[str, Fault] = {}

    def add(self, request: dict[str, Any]) -> Fault:
        """Put one in force. Raises BadFaultError."""
        self._count += 1
        try:
            fault = Fault(f"fault_{self._count}", **request)
        except (TypeError, re.error) as error:
            raise BadFaultError(str(error)) from error
        self.by_id[fault.id] = fault
        return fault

    def pick(self, facts: Facts) -> Fault | None:
        """The first that matches and fires; the request counts for all that matched until then."""
        for fault in self.by_id.values():
            if fault.times is not None and fault.applied >= fault.times:
                continue
            if not fault.matches(facts):
                continue
            fault.seen += 1
            if fault.seen >= fault.nth and (fault.probability >= 1 or self._rng.random() < fault.probability):
                fault.applied += 1
                return fault
        return None
