"""In a real browser the pages fit every screen, can be read in light and dark, and need neither script nor mouse."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from payment_worker.devstack.ports import LOOPBACK
from payment_worker.devstack.waiting import wait_until
from tests.cli.test_outside_text import PLANT
from tests.console.browser import ENTER, TAB, Browser, driving
from tests.console.conftest import OPERATOR, PAGES, Running, a_payment
from tests.console.test_actions import EVENT, FINDING, REJECTED
from tests.harness.rows import Rows
from tests.harness.tools import tool

LONG = "W" * 255
"""Text that has no place where it could be broken, in which an id of an app's may consist."""

OPEN_ALL = "document.querySelectorAll('details').forEach(each => { each.open = true })"
OVERFLOWING = """
const cut = [...document.querySelectorAll('section')].filter(each => each.scrollWidth > each.clientWidth + 1)
if (document.documentElement.scrollWidth > innerWidth) cut.unshift(document.documentElement)
return cut.map(each => each.outerHTML.slice(0, 200))
"""
FAINT = """
const channels = text => text.match(/[\\d.]+/g).map(Number)
const luminance = rgb => rgb.slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0)
const ground = each => {
    for (; each; each = each.parentElement) {
        const rgb = channels(getComputedStyle(each).backgroundColor)
        if (rgb.length < 4 || rgb[3] > 0) return luminance(rgb)
    }
    return 1
}
const faint = []
for (const each of document.querySelectorAll('body *')) {
    if (![...each.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())) continue
    const [one, other] = [luminance(channels(getComputedStyle(each).color)), ground(each)].sort((a, b) => b - a)
    if ((one + 0.05) / (other + 0.05) < 4.5) faint.push(each.outerHTML.slice(0, 200))
}
return faint
"""
"""What has less contrast than WCAG asks of ordinary text."""


@pytest.fixture(scope="module")
def browser(shared_console: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser whose user is an operator."""
    tool("chromium", comes_with="Debian's package chromium")
    tool("chromedriver", comes_with="Debian's package chromium-driver")
    with driving(tmp_path_factory.mktemp("browser")) as opened:
        opened.open(f"http://{OPERATOR}@{LOOPBACK}:{shared_console.port}/")
        opened.logged()
        yield opened


@pytest.fixture
def address(shared_console: Running) -> str:
    """Where the console is."""
    return f"http://{LOOPBACK}:{shared_console.port}"


@pytest.fixture
def filled(shared_rows: Rows) -> list[str]:
    """Pages that all have something to show, with long words from outside."""
    payment_id = str(uuid4())
    shared_rows(PLANT, payment_id, f"{uuid4()}{LONG}"[:255])
    paid = a_payment(shared_rows, order_id=f"{uuid4()}{LONG}"[:255], customer_id=LONG)["payment_id"]
    shared_rows(FINDING, f"pi_{uuid4().hex}{LONG}")
    shared_rows(EVENT, f"evt_{uuid4().hex}{LONG}")
    shared_rows(REJECTED, str(uuid4()), "payment_worker.cancel", str(uuid4()))
    pages = [*PAGES, f"/payments/{payment_id}", f"/payments/{paid}", "/events?status=ALL", "/nowhere"]
    assert len(pages) > 10
    return pages


def test_every_page_fits_every_screen_and_can_be_read_on_it(
    browser: Browser, address: str, filled: list[str]
) -> None:
    for width, dark in ((360, True), (1440, False)):
        browser.look(width=width, dark=dark)
        for path in filled:
            browser.open(address + path)
            browser.run(OPEN_ALL)
            assert browser.run(OVERFLOWING) == [], (path, width)
            assert browser.run(FAINT) == [], (path, dark)
            refused = [each for each in browser.logged() if "/nowhere" not in each["message"]]
            assert refused == [], path


def test_every_page_is_labelled_for_screen_readers(browser: Browser, address: str, filled: list[str]) -> None:
    browser.look(width=1440)
    for path in filled:
        browser.open(address + path)
        browser.run(OPEN_ALL)
        assert browser.run("return document.documentElement.lang") == "en"
        assert len(browser.find_all("h1")) == len(browser.find_all("main")) == 1, path
        assert browser.title.endswith(" · Payment Worker")
        unnamed = (
            "nav:not([aria-label]), table:not(:has(thead th[scope])), svg:not([aria-label], [aria-hidden])"
        )
        assert browser.find_all(unnamed) == [], path
        for element in browser.find_all(
            "main :is(input:not([type=hidden]), select, button, summary), section"
        ):
            assert browser.name(element), path


def test_an_operator_needs_neither_a_script_nor_a_mouse(
    browser: Browser, address: str, shared_rows: Rows
) -> None:
    finding_id = shared_rows.one(FINDING, f"pi_{uuid4().hex}")["finding_id"]
    browser.run_scripts(allowed=False)
    browser.look(width=1440)
    browser.open(f"{address}/findings")
    for _ in range(200):
        browser.press(TAB)
        if browser.focused() == browser.find(f"#finding-{finding_id} summary"):
            break
    browser.press(ENTER + TAB)
    browser.press("a tip" + ENTER)
    wait_until(lambda: browser.url == f"{address}/findings?done=closed", seconds=20, what="the next page")
    assert "The finding is closed." in browser.text("[role=status]")
    row = shared_rows.one(
        "SELECT status, close_reason FROM reconciliation_finding WHERE finding_id = %s", finding_id
    )
    assert (row["status"], row["close_reason"]) == ("CLOSED", "a tip")
    browser.run_scripts(allowed=True)


def test_who_searches_finds_and_reads_on(browser: Browser, address: str, shared_rows: Rows) -> None:
    row = a_payment(shared_rows, order_id=f"order {uuid4()}")
    browser.look(width=360)
    browser.open(f"{address}/payments")
    browser.click("input[name=q]")
    browser.press(str(row["order_id"]) + ENTER)
    wait_until(lambda: "q=order" in browser.url, seconds=20, what="what was found")
    browser.click(f"a[href='/payments/{row['payment_id']}']")
    assert str(row["payment_id"]) in browser.text("h1")
    assert "49.99 EUR" in browser.text("main")
