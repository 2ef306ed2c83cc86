"""What a run came to, in words: its figures, its verdict, and the story of the guilty."""

from collections import Counter
from collections.abc import Iterator, Mapping

from payment_worker.devstack.chaos.evidence import Breach
from payment_worker.devstack.chaos.records import Records


def statuses(records: Records) -> Iterator[str]:
    """How payments and refunds ended."""
    for name, rows in (("payments", records.payments), ("refunds", records.refunds)):
        counts = Counter(str(row["status"]).lower() for row in rows.values())
        yield f"{len(rows)} {name}: {listed(counts)}"


def listed(counts: Mapping[str, int]) -> str:
    """`3 of this, 2 of that`, the most frequent first."""
    return ", ".join(f"{count} {name}" for name, count in Counter(counts).most_common()) or "none"


def verdict(breaches: Mapping[str, list[Breach]]) -> str:
    """Each count, zeros too."""
    return ", ".join(f"{len(found)} {name}" for name, found in breaches.items())


def guilty(breaches: Mapping[str, list[Breach]]) -> Mapping[str, list[str]]:
    """What each payment is guilty of."""
    found: dict[str, list[str]] = {}
    for name, each in breaches.items():
        for breach in each:
            found.setdefault(breach.payment_id, []).append(f"{name}: {breach.what}")
    return found
