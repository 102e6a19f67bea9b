"""The report's page in a real browser: it runs and asks for nothing, and fits a telephone."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from tests.programme.conftest import Vendor
from tests.programme.test_report import ask, reported, stated

from gapura.programme import report as pages
from gapura.store import claims

CHROMIUM = shutil.which("chromium")
WIDTHS = "all => all.map(one => one.getBoundingClientRect().width)"
SIDEWAYS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.fixture
def files(opened: Vendor, tmp_path: Path) -> list[Path]:
    """A report and a statement with long names, many models, and a grant that paid for them."""
    used = b"start_time,input_tokens\n1717200000,60000\n"
    claim = opened.claim("acme", used, company="A company with a long name " * 6)
    opened.vet()
    opened.approve()
    account = opened.store.read(lambda db: claims.get(db, None, claim)).account
    _, matched = opened.store.read(lambda db: claims.granted(db, claim))
    for n in range(20):
        said = {"served_model": f"glm-4-with-a-name-that-does-not-end-{n}", "input": 10 + n}
        said["territory"] = ("CN", "HK", "SG", "uncertain")[n % 4]
        ask(opened, f"req_{n}", account, {f"gr:{matched}": {"input": 10 + n}}, **said)
        opened.clock.turn(days=1)
    written = {"report": pages.render(reported(opened)), "statement": pages.render_statement(stated(opened))}
    for name, page in written.items():
        (tmp_path / f"{name}.html").write_text(page, "utf-8")
    return [tmp_path / f"{name}.html" for name in written]


@pytest.mark.parametrize("width", [390, 1250])
def test_it_runs_nothing_asks_for_nothing_and_fits(files: list[Path], width: int) -> None:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine (Debian: chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        asked: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        for file in files:
            page.goto(file.as_uri())
            assert not page.evaluate(SIDEWAYS), file
            assert page.get_by_text("All sums agree, to the token.").is_visible()
            bars = page.locator("svg rect.spent").evaluate_all(WIDTHS)
            assert len(bars) > 15 and max(bars) > 100
        assert (asked, complaints) == ([file.as_uri() for file in files], [])
        browser.close()
