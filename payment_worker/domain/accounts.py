"""Names Stripe accounts in our rows and calls.

Empty is the account of STRIPE_API_KEY, `eu` that of the key named so in STRIPE_API_KEYS. A connected account has
Stripe's id, `acct_…`, or `eu/acct_…` where it is connected to the account `eu`.
"""

from functools import lru_cache
from typing import Final, NamedTuple

SEPARATOR: Final = "/"
CONNECTED: Final = "acct_"
PLATFORM: Final = "platform"
"""What people and metrics call the account of STRIPE_API_KEY, which has no name in our rows."""


class Account(NamedTuple):
    """What the name of an account consists of; each part may be empty."""

    key: str
    """The name of the API key with which it is asked."""
    connected: str
    """Stripe's id of the connected account."""


def account_name(key: str, connected: str) -> str:
    """The name of an account."""
    return SEPARATOR.join(part for part in (key, connected) if part)


@lru_cache(maxsize=1000)
def account_of(name: str) -> Account:
    """The account of this name: six things of a charge ask for it."""
    if name.startswith(CONNECTED):
        return Account("", name)
    key, _, connected = name.partition(SEPARATOR)
    return Account(key, connected)
