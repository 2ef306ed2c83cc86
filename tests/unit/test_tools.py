"""A tool that is missing costs a test, not the run; a machine that is meant to have all of them is told."""

import sys
from pathlib import Path

import pytest

from tests.harness.tools import REQUIRE, tool


def test_a_tool_is_found_where_the_path_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    python = Path(sys.executable)
    monkeypatch.setenv("PATH", str(python.parent))
    assert tool(python.name, comes_with="Python") == str(python)


@pytest.mark.parametrize("value", ["", "0"])
def test_what_needs_a_missing_tool_is_skipped_and_says_whence_it_comes(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv(REQUIRE, value)
    with pytest.raises(pytest.skip.Exception, match="no-such-tool is not installed: it comes with nothing"):
        tool("no-such-tool", comes_with="nothing")


def test_what_needs_a_missing_tool_fails_where_tools_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REQUIRE, "1")
    with pytest.raises(pytest.fail.Exception, match="no-such-tool is not installed"):
        tool("no-such-tool", comes_with="nothing")
