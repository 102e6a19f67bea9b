"""The reference of the endpoints is what the tables say."""

from pathlib import Path

from gapura.gate.http import App
from gapura.wire.reference import HEAD, render

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "endpoints.md"


def test_the_page_is_written_from_the_tables() -> None:
    assert PAGE.read_text("utf-8") == render(), "python -m gapura.wire.reference > docs/reference/endpoints.md"


def test_every_endpoint_is_on_the_page() -> None:
    paths = App(None, None)._paths  # type: ignore[arg-type]  # only its table is looked at
    asked = [path for path, endpoint in paths.items() if path.startswith("/v1/") and endpoint.method == "POST"]
    assert asked and [path for path in asked if f" {path}`" not in HEAD] == []
