"""Idempotency keys: the response stored under each, kept for a day of the simulated clock."""

from dataclasses import dataclass
from typing import Any

from payment_worker.simulator.api.errors import idempotency_mismatch, key_in_use

KEY_LENGTH = 255


@dataclass(slots=True)
class Remembered:
    """The first use of a key; without a status it is still in flight."""

    where: str
    params: dict[str, Any]
    since: float
    request_id: str
    status: int | None = None
    body: bytes = b""


class KeyStore:
    """The keys of one account, oldest first."""

    def __init__(self) -> None:
        self._kept: dict[str, Remembered] = {}

    def claim(
        self,
        key: str,
        *,
        where: str,
        params: dict[str, Any],
        request_id: str,
        now: float,
        life_seconds: float,
    ) -> Remembered | None:
        """The finished first use of this key, to be replayed; None: the caller is the first and holds it now.

        Raises RequestError when the key is in flight or was used for something else.
        """
        self._expire(now - life_seconds)
        first = self._kept.get(key)
        if first is None:
            self._kept[key] = Remembered(where, params, now, request_id)
            return None
        if first.where != where or first.params != params:
            raise idempotency_mismatch(key)
        if first.status is None:
            raise key_in_use(key)
        return first

    def keep(self, key: str, *, status: int, body: bytes) -> None:
        """From now on the key answers this."""
        first = self._kept.get(key)
        if first is not None:
            first.status, first.body = status, body

    def finish(self, key: str, *, status: int, body: bytes, is_kept: bool) -> None:
        """The request under the key is done; if its answer is not kept, it counts as never made."""
        if is_kept:
            self.keep(key, status=status, body=body)
        else:
            self._kept.pop(key, None)

    def _expire(self, before: float) -> None:
        while self._kept:
            oldest = next(iter(self._kept))
            if self._kept[oldest].since > before:
                return
            del self._kept[oldest]
