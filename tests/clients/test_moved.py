"""An application written for OpenAI is moved to each of three vendors by its base URL and its key, and by nothing else:
the same program, the same names of models.  What is lost on the way is chosen by the operator, in the gateway."""

import sys
from pathlib import Path
from typing import Any

import pytest
from tests.app.running import KEY, serving
from tests.programs import TESTS, found

from gapura.sandbox import Live
from gapura.sandbox.live import running

PROGRAM = TESTS / "clients" / "application_program.py"

# Vendor → its chat model, its embedding model, and how many numbers that makes of a text.
VENDORS = {
    "qwen": ("qwen-flash", "text-embedding-v4", 1024),
    "ernie": ("ernie-4.5-turbo-128k", "bge-large-zh", 1024),
    "glm": ("glm-4.6", "embedding-3", 2048),
}


def document(vendor: str) -> str:
    """Vectors of two models never live in one space: the store is made anew, and the route says that this is known."""
    chat, embeddings, _ = VENDORS[vendor]
    return f"""
policies = []

[routes."gpt-4o-mini"]
targets = ["{vendor}/{chat}"]

[routes."text-embedding-3-small"]
targets = ["{vendor}/{embeddings}"]
accepts = ["embedding_space"]
"""


def ran(url: str, key: str) -> Any:
    return found(PROGRAM, [url, key], by=Path(sys.executable))


@pytest.fixture(scope="module")
def at_openai() -> Any:
    def by(live: Live) -> Any:
        return ran(live.urls["openai"], "sk-any")

    with running() as live:
        return by(live)


def test_the_application_works_where_it_was_written_for(at_openai: Any) -> None:
    assert at_openai["size"] == 1536 and at_openai["finds"] == [0, 1, 2]
    assert at_openai["agent"]["called"] and "ten in the evening" in at_openai["agent"]["answer"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_works_at_each_vendor_with_another_url_and_key(vendor: str, at_openai: Any, tmp_path: Path) -> None:
    with serving(tmp_path, document(vendor), GAPURA_SITE_TERRITORY="CN") as gateway:
        moved = ran(gateway.url, KEY)
        assert gateway.seen("openai") == 0 < gateway.seen(vendor)
    assert moved["finds"] == at_openai["finds"] == [0, 1, 2]
    assert moved["size"] == VENDORS[vendor][2]
    assert moved["agent"]["called"] == at_openai["agent"]["called"]
    assert "ten in the evening" in moved["agent"]["answer"]
    assert moved["chat"]["answer"].endswith("When is the gate closed?") and moved["chat"]["pieces"] > 1
    assert moved["chat"]["tokens"] > 0
