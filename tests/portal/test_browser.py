"""In a real browser, without JavaScript: an account comes by its link, reads, objects, and leaves; wide and narrow."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.portal.conftest import Scene

from gapura.store import appeals

CHROMIUM = shutil.which("chromium")
WORDS = {"en": "Object to this", "zh-Hans": "对此提出异议", "id": "Ajukan keberatan atas hal ini"}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine (Debian: chromium)")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("language", WORDS)
def test_from_the_link_to_the_objection(scene: Scene, chromium: Any, language: str, width: int, tmp_path: Path) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 800}, java_script_enabled=False)
    page = context.new_page()
    troubles: list[str] = []
    page.on("console", lambda said: troubles.append(said.text))
    page.on("requestfailed", lambda request: troubles.append(request.url))

    def seen(name: str) -> None:
        page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
        box = page.locator("body").bounding_box()
        assert box["width"] <= width, "nothing runs out of the page to the side"
        assert page.locator("html").get_attribute("lang") == language

    page.goto(f"{scene.site}/enter/{scene.link(scene.acme)}?lang={language}")
    assert page.url == f"{scene.site}/account?lang={language}", "the link does not stay in the address"
    seen("account")
    page.get_by_role("link", name=WORDS[language]).click()
    seen("object")
    page.locator("#reason").fill("出差 <b>\nDan kembali")
    page.locator("main > form button").click()
    seen("objection")
    (made,) = scene.store.read(lambda db: appeals.of_account(db, scene.acme))
    assert page.url.startswith(f"{scene.site}/objections/{made.id}") and made.language == language
    assert page.locator(".said").inner_text() == "出差 <b>\nDan kembali"
    page.locator("header form button").click()
    seen("front")
    page.goto(f"{scene.site}/account")
    assert page.locator("#key").count() == 1, "whoever left is out"
    assert troubles == []
    context.close()
