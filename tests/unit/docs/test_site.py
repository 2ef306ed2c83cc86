"""The site builds without a network, asks no other host for anything, and does not build with a broken link."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.length import long

ROOT = Path(__file__).parents[3]
# What a browser fetches by itself. A link that a reader follows is none of it.
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|object)\b[^>]*?\b(?:src|data)=["']?(?:https?:)?//"""
    r"""|<link\b[^>]*?rel=["']?(?:stylesheet|preconnect|preload|icon)[^>]*?href=["']?(?:https?:)?//"""
    r"""|url\(["']?(?:https?:)?//|@import\s*["'](?:https?:)?//"""
)
Build = Callable[[], subprocess.CompletedProcess[str]]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The docs, and what builds them, to be changed at will."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    return tmp_path


@pytest.fixture
def build(checkout: Path) -> Build:
    """Builds the site of the checkout as `make docs` does."""

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mkdocs", "build", "--strict"],
            cwd=checkout,
            env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_it_builds_and_a_browser_fetches_nothing_from_elsewhere(checkout: Path, build: Build) -> None:
    built = build()
    assert built.returncode == 0, built.stderr

    site = checkout / "build" / "site"
    files = [path for path in site.rglob("*") if path.suffix in {".html", ".css", ".svg"}]
    assert len(files) > 20
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert not FETCHED.search(text), path
        # The theme would fetch what draws these.
        assert 'class="mermaid"' not in text, path
    assert not list(site.rglob("*.py"))
    glossary = (site / "glossary.html").read_text(encoding="utf-8")
    assert glossary.count("<dt>") == glossary.count("<dd>") > 30


@pytest.mark.parametrize(
    "link", [long("nowhere.md"), "runbook.md#nowhere", long("#nowhere"), long("/nowhere")]
)
def test_a_link_that_leads_nowhere_breaks_it(checkout: Path, build: Build, link: str) -> None:
    page = checkout / "docs" / "how-to" / "trace.md"
    page.write_text(f"{page.read_text(encoding='utf-8')}\n[There]({link})\n", encoding="utf-8")

    built = build()

    assert built.returncode == 1
    assert link in built.stderr


def test_a_page_that_nobody_finds_breaks_it(checkout: Path, build: Build) -> None:
    (checkout / "docs" / "how-to" / "hidden.md").write_text("# Hidden\n", encoding="utf-8")

    built = build()

    assert built.returncode == 1
    assert "how-to/hidden.md" in built.stderr
