"""The HTML form in a real browser: three languages, wide and narrow, light and dark; and the text beside it."""

import re
import shutil
from collections.abc import Iterator
from itertools import product

import msgspec
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright
from tests.letters.test_message import NAMES, named
from tests.letters.writing import SENDER, letter, texts

from gapura.letters import compose
from gapura.letters.plain import WIDTH, width
from gapura.terms.letter import Letter

CHROMIUM = shutil.which("chromium")
LANGUAGES = ("en", "zh-Hans", "id")
SIZES = {"wide": ViewportSize(width=1200, height=900), "narrow": ViewportSize(width=320, height=640)}
LEAST_CONTRAST = 4.5
"""WCAG 2.1, AA, of text."""

# Of each text: its contrast with what is painted behind it, and how large it is.
MEASURE = """() => {
  const channel = c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = one => {
    for (; one; one = one.parentElement) {
      const color = parse(getComputedStyle(one).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
    if (!text) continue;
    const style = getComputedStyle(one), [a, b] = [light(parse(style.color)), light(behind(one))];
    found.push([text.slice(0, 30), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), parseFloat(style.fontSize)]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine (Debian: chromium)")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


def opened(browser: Browser, written: Letter, size: str = "wide", scheme: str = "light") -> Page:
    """The page, which may ask for nothing."""
    context = browser.new_context(viewport=SIZES[size], color_scheme=scheme, java_script_enabled=True)  # type: ignore[arg-type]
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_content(compose(written, SENDER, texts()).html)
    assert asked == []
    return page


def overflow(page: Page) -> list[str]:
    return list(
        page.evaluate(
            "() => [...document.querySelectorAll('*')].filter(one => one.getBoundingClientRect().right >"
            " document.documentElement.clientWidth + 1).map(one => one.outerHTML.slice(0, 80))"
        )
    )


@pytest.mark.parametrize(("language", "size", "scheme"), [*product(LANGUAGES, SIZES, ("light", "dark"))])
def test_it_is_readable(browser: Browser, language: str, size: str, scheme: str) -> None:
    page = opened(browser, letter(language=language), size, scheme)
    assert overflow(page) == []
    found = page.evaluate(MEASURE)
    assert len(found) > 30
    assert [text for text, contrast, _ in found if contrast < LEAST_CONTRAST] == []
    assert [text for text, _, points in found if points < 13] == []
    ground = page.evaluate("getComputedStyle(document.querySelector('.sheet')).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_says_what_the_text_says(browser: Browser, language: str) -> None:
    composed = compose(letter(language=language), SENDER, texts())
    page = opened(browser, letter(language=language))
    shown = _signs(page.inner_text("body"))
    lines = [line.strip(" -=") for line in composed.text.splitlines() if not line.strip().startswith("http")]
    missing = [line for line in lines if _signs(line) not in shown]
    assert missing == []
    assert page.locator("html").get_attribute("lang") == language
    assert page.title() == composed.subject


def _signs(text: str) -> str:
    """Without blanks, and without the colons that a table does not need."""
    return re.sub(r"[\s:：]", "", text)


def test_links_lead_where_the_text_says_and_have_names(browser: Browser) -> None:
    page = opened(browser, letter())
    links = {one.inner_text(): one.get_attribute("href") for one in page.locator("a").all()}
    assert links == {
        "supported places": letter().source,
        "Object": letter().appeal_url,
        "Status and evidence": letter().status_url,
    }
    text = compose(letter(), SENDER, texts()).text
    assert [url for url in links.values() if f"  {url}\n" not in text] == []


@pytest.mark.parametrize("name", ["long", "long word", "HTML", "right to left", "emoji"])
def test_names_do_not_break_it(browser: Browser, name: str) -> None:
    page = opened(browser, named(NAMES[name]), "narrow")
    assert overflow(page) == []
    assert page.locator("script, img, iframe, form, input").count() == 0


def test_headings_and_tables_are_what_they_look_like(browser: Browser) -> None:
    page = opened(browser, letter())
    assert [one.evaluate("one => one.tagName") for one in page.locator("h1, h2").all()] == ["H1", "H2", "H2", "H2"]
    assert page.locator("th:not([scope=row])").count() == 0
    assert page.locator("table").count() == 2


def test_more_than_one_language_is_told_one_after_the_other(browser: Browser) -> None:
    sender = msgspec.structs.replace(SENDER, languages=("zh-Hans", "en"))
    context = browser.new_context(viewport=SIZES["narrow"])
    page = context.new_page()
    page.set_content(compose(letter(language=""), sender, texts()).html)
    assert [one.get_attribute("lang") for one in page.locator(".sheet").all()] == ["zh-Hans", "en"]
    assert overflow(page) == []


@pytest.mark.parametrize(("language", "kind"), [*product(LANGUAGES, ("notice", "effective", "correction", "receipt"))])
def test_the_text_stands_alone_and_within_its_lines(language: str, kind: str) -> None:
    text = compose(letter(language=language, kind=kind), SENDER, texts()).text
    wide = [line for line in text.splitlines() if width(line) > WIDTH]
    assert [line for line in wide if not line.strip().startswith("https://") and " " in line.strip()] == []
    assert not re.search(r"[<>]|&\w+;", text) and "\n\n\n\n" not in text
