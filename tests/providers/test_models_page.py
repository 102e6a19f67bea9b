from pathlib import Path

from gapura.providers.models_page import render

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "models.md"


def test_the_page_is_what_the_data_are() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), (
        "python -m gapura.providers.models_page > docs/reference/models.md"
    )
