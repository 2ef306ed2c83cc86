"""Retrieves the account that an API key belongs to."""

from collections.abc import Callable

from payment_worker.domain.outcome import Delay

AskOwner = Callable[[], str | Delay]
"""Asks Stripe for the id of the account that the key belongs to; a delay where that cannot be told now."""

KeyCheck = Callable[[AskOwner], Delay | None]
"""Why nothing may be asked of Stripe with this key; None: everything may. It asks for the owner as seldom as it can."""


def any_key(_ask: AskOwner) -> None:
    """Everything may be asked, whoever the key belongs to."""
