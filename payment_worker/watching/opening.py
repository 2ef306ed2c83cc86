"""The state that processes tell of, chosen by the settings."""

from collections.abc import Sequence
from typing import Final

from payment_worker import wiring
from payment_worker.settings import Settings
from payment_worker.watching.state import State

REDIS_SECONDS: Final = 2.0


def state_of(chosen: Settings, *, queues: Sequence[str]) -> State:
    """What rows and queues of these settings tell; nothing is connected yet."""
    return State(
        database=wiring.database(chosen, connections=1),
        client=wiring.redis(chosen, timeout_seconds=REDIS_SECONDS),
        queues=queues,
        stream=chosen.stream,
        clock=wiring.now,
    )
