"""Retrieves the account that an API key belongs to."""

from collections.abc import Callable
from dataclasses import dataclass, field

from payment_worker.domain.attempts.outcome import Delay

AskOwner = Callable[[], str | Delay]
"""Retrieves the id of the key's account; a delay if it cannot be known now."""

KeyCheck = Callable[[AskOwner], Delay | None]
"""Why nothing may be sent to Stripe with this key, or None. It retrieves the owner as rarely as possible.
"""


def any_key(_ask: AskOwner) -> None:
    """Allow every key, whichever account it belongs to."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of Stripe's API, and the check of whose it is."""

    secret: str = field(repr=False)
    check: KeyCheck = any_key
