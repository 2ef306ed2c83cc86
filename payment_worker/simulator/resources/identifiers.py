"""Makes ids that look like Stripe's and are unique, even across simulators unless they share a seed."""

import random
import string

_LETTERS = string.ascii_letters + string.digits


class Identifiers:
    """Counts; the tail tells one simulator's ids from another's."""

    def __init__(self, rng: random.Random) -> None:
        self._tail = "".join(rng.choices(_LETTERS, k=8))
        self._count = 0

    def new(self, prefix: str) -> str:
        """A fresh id, e.g. `pi_3QmZkT4aB0000000001` for the prefix `pi_3`."""
        self._count += 1
        return f"{prefix}{self._tail}{self._count:010d}"
