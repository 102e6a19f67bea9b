"""The report in a real browser: it says what the numbers say, to eyes, keyboards and screen readers."""

import json
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from gapura.atlas.territories import NAMES
from gapura.logs import report
from gapura.logs.result import Backtest

CHROMIUM = shutil.which("chromium")
STEPS = "all => all.map(one => [one.closest('a').dataset.code, +one.className.baseVal.match(/s(\\d)/)[1]])"
WIDE, NARROW = ViewportSize(width=1250, height=900), ViewportSize(width=390, height=844)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine (Debian: chromium)")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


class Opened:
    """A page that was opened from a file, what it asked for, and what it complained of."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(path.as_uri())


@pytest.fixture
def path(found: Backtest, tmp_path: Path) -> Path:
    written = tmp_path / "report.html"
    written.write_text(report.render(found), "utf-8")
    return written


@pytest.fixture
def opened(browser: Browser, path: Path) -> Iterator[Opened]:
    context = browser.new_context(viewport=WIDE)
    yield Opened(context.new_page(), path)
    context.close()


def table(page: Page) -> dict[str, list[str]]:
    """Code → the cells of its row."""
    rows = page.eval_on_selector_all(
        "#territories tbody tr",
        "rows => rows.map(row => [row.dataset.code, [...row.cells].map(cell => cell.textContent)])",
    )
    return dict(rows)


def test_nothing_is_loaded_and_nothing_complains(opened: Opened, path: Path) -> None:
    opened.page.hover('a[data-code="CN"]')
    assert opened.asked == [path.as_uri()]
    assert opened.complaints == []


def test_whatever_it_would_load_is_refused(browser: Browser, path: Path) -> None:
    path.write_text(path.read_text("utf-8").replace("</main>", '<img src="http://127.0.0.1:9/x.png"></main>'), "utf-8")
    opened = Opened(browser.new_page(), path)
    assert any("Content Security Policy" in complaint for complaint in opened.complaints)
    opened.page.close()


def test_map_and_table_say_the_same(opened: Opened, found: Backtest) -> None:
    rows = table(opened.page)
    marks = dict(
        opened.page.eval_on_selector_all(
            "svg.map a", "all => all.map(one => [one.dataset.code, one.getAttribute('aria-label')])"
        )
    )
    assert list(rows) == [row.territory for row in found.territories]
    assert marks.keys() == {row.territory for row in found.territories if row.hit.requests} & NAMES.keys()
    for code, label in marks.items():
        name, _, accounts, _, requests, seen, *_ = rows[code]
        assert label == f"{name}: {requests} of {seen} requests hit, {accounts} accounts"
    steps = dict(opened.page.eval_on_selector_all("svg.map a :is(path, circle):not(.ring)", STEPS))
    by_requests = sorted(steps, key=lambda code: int(rows[code][4].replace(",", "")))
    assert [steps[code] for code in by_requests] == sorted(steps.values())
    assert steps[by_requests[-1]] == 5 and steps[by_requests[0]] == 1


def test_the_keyboard_reaches_every_mark_and_every_table(opened: Opened, found: Backtest) -> None:
    page = opened.page
    reached: list[str] = []
    for _ in range(300):
        page.keyboard.press("Tab")
        told = page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.textContent")
        if page.evaluate("document.activeElement === document.body"):
            break
        reached.append(told)
        if page.evaluate("document.activeElement.dataset.says !== undefined"):
            readout = page.evaluate("document.activeElement.closest('figure').querySelector('.readout').textContent")
            assert readout == told
    marks = page.eval_on_selector_all("svg.map a", "all => all.map(one => one.getAttribute('aria-label'))")
    assert set(marks) <= set(reached)
    assert {bar.label for bar in report.bars(found.days)} <= set(reached)
    regions = page.eval_on_selector_all("table", "all => all.map(one => one.closest('[tabindex]').ariaLabel)")
    assert len(regions) > 8 and set(regions) <= set(reached)
    # Every number that is no plain text stands in one of them.
    assert page.locator("td.n").count() == page.locator("[tabindex] td.n").count()


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_small_territories_can_be_seen_and_hit(opened: Opened, size: ViewportSize) -> None:
    opened.page.set_viewport_size(size)
    for code in ("LU", "MO", "HK", "CN"):
        box = opened.page.locator(f'svg.map a[data-code="{code}"]').bounding_box()
        assert box is not None and min(box["width"], box["height"]) >= 7, code
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_columns_sort_by_keyboard(opened: Opened) -> None:
    page = opened.page
    page.get_by_role("button", name="Requests hit").first.focus()
    page.keyboard.press("Enter")
    assert list(table(page))[:3] == ["CN", "RU", "HK"]
    page.keyboard.press("Enter")
    assert list(table(page))[-3:] == ["HK", "RU", "CN"]
    page.get_by_role("button", name="Territory").first.press("Enter")
    page.get_by_role("button", name="Territory").first.press("Enter")
    assert next(iter(table(page))) == "CN"


def test_logs_cannot_write_into_the_page(opened: Opened) -> None:
    assert opened.page.locator("td code", has_text='<script>alert("x")</script>').count() == 1
    assert opened.page.locator("th", has_text="acme <b>").count() == 2


def test_the_json_is_the_answer(opened: Opened, found: Backtest) -> None:
    told = json.loads(opened.page.locator("script#backtest").text_content() or "")
    assert msgspec.convert(told, Backtest) == found


def test_it_is_whole_without_scripts(browser: Browser, path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.locator("#territories tbody tr").count() == 8
    assert page.locator("svg.map a").count() == 5
    assert "12,000" in (page.locator("#t-CN").text_content() or "")
    context.close()


def test_what_the_logs_do_not_tell_is_left_out(bare: Backtest) -> None:
    page = report.render(bare)
    assert "Accounts hit" not in page and "Tokens hit" not in page and ">When<" not in page
    assert "the logs tell no times" in page and "not compared" in page and "warn or stricter" in page


def test_the_map_is_a_scale_of_equal_ratios() -> None:
    steps = report.scale([5, 50, 500, 5_000, 50_000, 500_000])
    assert len(steps) == 5 and steps[0] == 5
    assert all(4 < later / earlier < 16 for earlier, later in pairwise(steps))
