"""Each threat of docs/threat-model.md names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
ROWS = re.compile(r"^\| (?!who \||--)(.+) \|$", re.MULTILINE)


def test_each_threat_names_tests_that_exist() -> None:
    rows = ROWS.findall((ROOT / "docs/threat-model.md").read_text())
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`([\w/]+\.py)`", row.rpartition("|")[2])
        assert named or row.endswith("| the same"), row
        assert [each for each in named if not (ROOT / "tests" / each).is_file()] == [], row
