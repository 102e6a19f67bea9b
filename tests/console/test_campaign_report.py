"""A campaign's report in a real browser: it asks for nothing, fits a telephone, and can be read in the dark."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright
from tests.letters.test_looks import CHROMIUM, LEAST_CONTRAST, MEASURE, SIZES

from gapura.clock import instant
from gapura.console.campaign_report import Case, Report, render
from gapura.console.campaigns import Dated, Shown, Standing
from gapura.store.campaigns import Step
from gapura.store.members import Tally
from gapura.terms.campaign import Campaign

DAY = instant("2024-07-09T00:00:00+08:00")
CAMPAIGN = "cmp_019033cd22007629fd6113df3e8b5f90"
SHOWN = Shown(CAMPAIGN, "june-2024", "running", "0f3c", DAY, 4250, "local:0", "prn_1", DAY, DAY, "33a503b49cc3124a")
SPEC = Campaign(name="june-2024", policy="openai/<api>", effective_at=DAY, zone="Asia/Shanghai")
REPORT = Report(
    Standing(
        SHOWN, SPEC, [], ["the list <b>is</b> old"], [Dated("T", DAY)], Tally(4250, 202, 4000, 250, 0, {}),
        {"T-14": {"delivered": 4000, "unreachable": 250}, "T": {"planned": 4000}}, 0,
        [Step("approve", "approved", "0f3c", "prn_1", "looked at", DAY)],
    ),
    {"2024-06-24T01": 2125, "2024-06-24T02": 400},
    [Case("acc_019033cd22007f58a7d3f8953e5df3d3", "T-14", "<cfe21035b8feb3f81ac8@operator.example>", 1, "delivered")],
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine (Debian: chromium)")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable(browser: Browser, size: str, scheme: str) -> None:
    context = browser.new_context(viewport=SIZES[size], color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_content(render(REPORT))
    assert asked == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.get_by_text("the list <b>is</b> old").count() == 1, "what people write is shown as written"
    assert [one for one in page.evaluate(MEASURE) if one[1] < LEAST_CONTRAST] == []
    bars = page.evaluate("[...document.querySelectorAll('svg.bar')].map(one => one.getBoundingClientRect().width)")
    assert bars[0] > 4 * bars[1] > 0
    context.close()
