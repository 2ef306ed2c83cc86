"""How long the tests run: `make test` draws few examples of a property, `make test-long` draws many."""

import os
from typing import Final

LONG: Final = os.environ.get("TEST_LENGTH") == "long"
"""Set by `make test-long`, before a release."""


def examples(default: int, *, long: int) -> int:
    """How many examples of a property this run draws."""
    return long if LONG else default
