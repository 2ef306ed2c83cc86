"""How long the tests run: `make test` draws few examples of a property, `make test-long` draws many."""

import os
from typing import Final

import pytest
from _pytest.mark import ParameterSet

LONG: Final = os.environ.get("TEST_LENGTH") == "long"
"""Set by `make test-long`, before a release."""


def examples(default: int, *, long: int) -> int:
    """How many examples of a property this run draws."""
    return long if LONG else default


def long(*values: object) -> ParameterSet:
    """A case of a parametrized test that only the long run plays: another case shows the same promise."""
    return pytest.param(*values, marks=pytest.mark.long)
