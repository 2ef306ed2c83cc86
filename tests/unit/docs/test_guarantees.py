"""The page of guarantees names tests that exist."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
PAGE = TESTS.parent / "docs" / "explanation" / "guarantees.md"
NAMED = sorted(set(re.findall(r"`([a-z]+/[\w/]+\.py)(?:::(test_\w+))?`", PAGE.read_text(encoding="utf-8"))))


def test_the_page_names_tests() -> None:
    assert len(NAMED) > 30


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_what_it_names_exists(file: str, test: str) -> None:
    code = (TESTS / file).read_text(encoding="utf-8")
    assert f"def {test or 'test_'}" in code
