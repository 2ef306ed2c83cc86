"""Programs that some tests need and no wheel brings: without one they are skipped, or fail where that is asked."""

import os
import shutil
from typing import Final, NoReturn

import pytest

REQUIRE: Final = "REQUIRE_TOOLS"
"""Set to 1 in the environment of a machine that is meant to run every test."""


def tool(name: str, *, comes_with: str) -> str:
    """Where a program is; without it the test ends here."""
    # Debian keeps servers where only root's PATH leads.
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return found or missing(f"{name} is not installed: it comes with {comes_with}")


def missing(what: str) -> NoReturn:
    """Skip the test that needs it; where tools are required, fail it."""
    if os.environ.get(REQUIRE, "") not in {"", "0"}:
        pytest.fail(f"{what} ({REQUIRE} is set)", pytrace=False)
    pytest.skip(what)
