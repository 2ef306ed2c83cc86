"""The request journal: every mutating request, and a count of all requests."""

from collections import defaultdict
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(slots=True)
class Entry:
    """One mutating request; `status` is what Stripe decided, None when it never came to that."""

    n: int
    at: float
    account: str
    method: str
    path: str
    endpoint: str | None
    key: str | None
    params: dict[str, Any]
    body: str
    request_id: str
    status: int | None = None
    effect: bool = False
    replayed: bool = False
    fault: str | None = None
    object: str | None = None


ENTRY_FIELDS = frozenset(entry.name for entry in fields(Entry))


class Journal:
    """Entries, oldest first, and counts by endpoint and status."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))

    def add(self, entry: Entry) -> Entry:
        """Keep an entry; it is completed while its request runs."""
        self.entries.append(entry)
        return entry

    def count(self, endpoint: str | None, status: int | None) -> None:
        """One more request was answered so; None: it got no response."""
        self.counts[endpoint or "unknown"]["none" if status is None else str(status)] += 1

    def to_dicts(self, entries: list[Entry]) -> list[dict[str, Any]]:
        """Entries as JSON has them."""
        return [asdict(entry) for entry in entries]
