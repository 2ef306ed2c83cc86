"""What the pages outside the site link to is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")
LINKS = sorted(
    {
        (page.name, target, anchor)
        for page in ROOT.glob("*.md")
        for target, anchor in LINK.findall(page.read_text(encoding="utf-8"))
    }
)


def test_there_are_links() -> None:
    assert len(LINKS) > 5


@pytest.mark.parametrize(("page", "target", "anchor"), LINKS)
def test_a_link_leads_somewhere(page: str, target: str, anchor: str) -> None:
    path = ROOT / (target or page)
    assert path.exists()
    if anchor:
        headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}
