"""The page about reconciliation explains every kind of finding."""

from pathlib import Path

import pytest

from payment_worker.domain.findings.kinds import FindingKind

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "reconcile.md"


@pytest.mark.parametrize("kind", FindingKind)
def test_it_says_what_to_do_about(kind: FindingKind) -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if f"`{kind}`" in line]
    assert any(line.count("|") == 4 for line in rows)
