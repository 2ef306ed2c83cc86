"""The site builds without a network, asks no other host for anything, and does not build with a broken link."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.harness.length import long
from tests.harness.tools import tool

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
    return _copy(tmp_path)


def _copy(directory: Path) -> Path:
    shutil.copytree(ROOT / "docs", directory / "docs")
    shutil.copy(ROOT / "mkdocs.yml", directory)
    return directory


@pytest.fixture
def build(checkout: Path) -> Build:
    """Builds the site of the checkout as `make docs` does."""
    return partial(_build, checkout)


def _build(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict"],
        cwd=checkout,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as it is."""
    checkout = _copy(tmp_path_factory.mktemp("site"))
    built = _build(checkout)
    assert built.returncode == 0, built.stderr
    return checkout / "build" / "site"


def test_a_browser_fetches_nothing_from_elsewhere(site: Path) -> None:
    files = [path for path in site.rglob("*") if path.suffix in {".html", ".css", ".svg"}]
    assert len(files) > 20
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert not FETCHED.search(text), path
        # The theme would fetch what draws these.
        assert 'class="mermaid"' not in text, path
    assert not list(site.rglob("*.py"))
    glossary = (site / "glossary.html").read_text(encoding="utf-8")
    assert glossary.count("<dt>") == glossary.count("<dd>") > 10


def test_every_page_has_one_title_so_that_its_contents_are_shown(site: Path) -> None:
    pages = [path for path in site.rglob("*.html") if path.name != "404.html"]
    assert len(pages) > 20
    assert {path.name: path.read_text(encoding="utf-8").count("<h1") for path in pages} == {
        path.name: 1 for path in pages
    }


@pytest.mark.long
def test_it_is_searched_from_a_directory_with_no_server(site: Path, tmp_path: Path) -> None:
    page = f"file://{site}/reference/tables.html?q=dispute"
    # Root has no sandbox to put it in.
    flags = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}")
    browser = tool("chromium", comes_with="Debian's package of the same name")
    done = subprocess.run(
        [browser, *flags, "--virtual-time-budget=20000", "--dump-dom", page],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert re.search(r'class="md-search-result__meta">\d+ matching documents', done.stdout), done.stderr


@pytest.mark.parametrize(
    "link", [long("nowhere.md"), "runbook.md#nowhere", long("#nowhere"), long("/nowhere")]
)
@pytest.mark.long
def test_a_link_that_leads_nowhere_breaks_it(checkout: Path, build: Build, link: str) -> None:
    page = checkout / "docs" / "how-to" / "trace.md"
    page.write_text(f"{page.read_text(encoding='utf-8')}\n[There]({link})\n", encoding="utf-8")

    built = build()

    assert built.returncode == 1
    assert link in built.stderr


@pytest.mark.long
def test_a_page_that_nobody_finds_breaks_it(checkout: Path, build: Build) -> None:
    (checkout / "docs" / "how-to" / "hidden.md").write_text("# Hidden\n", encoding="utf-8")

    built = build()

    assert built.returncode == 1
    assert "how-to/hidden.md" in built.stderr
